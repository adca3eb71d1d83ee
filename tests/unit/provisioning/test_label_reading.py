"""Labels are read back by a decoder that had no part in drawing them, at the dots of a label printer."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from fleet.registry.label import label_of, qr_of, unit_of
from livlina.provision_label import checked_label
from provisioning.label_reading import PRINTER_DPI, LabelUnreadableError, read_back
from provisioning.labels import SIZES, label_pdf
from provisioning.run import RunError


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("unit", [1, 0x2A, 0xFFFFFFFF])
def test_a_label_of_every_size_is_read(size: str, unit: int) -> None:
    pdf = label_pdf(qr_of(unit), label_of(unit), ("social", "2026-017"), size)
    assert unit_of(read_back(pdf)) == unit


def pages(count: int) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(100, 50))
    for _ in range(count):
        canvas.drawString(10, 10, "no code here")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_no_label_is_not_read_as_one(count: int) -> None:
    with pytest.raises(LabelUnreadableError):
        read_back(pages(count))


def test_a_code_too_fine_for_the_printer_is_refused() -> None:
    with pytest.raises(LabelUnreadableError):
        read_back(label_pdf(qr_of(7), label_of(7), ("social", "2026-017"), "25x12"), PRINTER_DPI // 8)


def test_a_label_that_names_another_unit_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livlina.provision_label.qr_of", lambda unit: qr_of(unit + 1))
    with pytest.raises(RunError, match="is read as 00000008"):
        checked_label(7, ("social", "2026-017"), "38x19", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_label_is_kept_under_its_own_name(tmp_path: Path) -> None:
    pdf = checked_label(7, ("social", "2026-017"), "38x19", tmp_path / "labels")
    assert (tmp_path / "labels" / f"{label_of(7)}.pdf").read_bytes() == pdf
