"""A unit's label on paper: made, read back as a camera would, and kept as a file beside the station's ledger."""

from __future__ import annotations

from pathlib import Path

from fleet.registry.label import label_of, qr_of, unit_of
from provisioning.files import replace
from provisioning.label_reading import LabelUnreadableError, read_back
from provisioning.labels import LabelSizeError, label_pdf
from provisioning.run import RunError

DEFAULT_SIZE = "38x19"


def checked_label(unit: int, words: tuple[str, str], size: str, folder: Path) -> bytes:
    """The label's PDF, written to `folder`. Raises RunError if it does not say this unit when it is read."""
    try:
        pdf = label_pdf(qr_of(unit), label_of(unit), words, size)
        said = unit_of(read_back(pdf))
    except (LabelSizeError, LabelUnreadableError) as error:
        raise RunError("the label of unit {unit}: {words}", "label", unit=f"{unit:08x}", words=error) from error
    if said != unit:
        raise RunError(
            "the label of unit {unit} is read as {said}: do not print it", "label",
            unit=f"{unit:08x}", said=f"{said:08x}",
        )  # fmt: skip
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(folder / f"{label_of(unit)}.pdf", pdf, mode=0o644)
    return pdf
