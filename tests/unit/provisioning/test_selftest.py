"""A board whose part is missing does not pass, and is told which part, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.web.bench_words import FAULTS
from provisioning.plan import BoardKind
from provisioning.run import RunError
from provisioning.selftest import judged

KIND = BoardKind("hub", "esp32s3", 4 << 20, 0, True, 2, True)
GOOD: dict[str, Any] = {"battery": 80, "signal": -87, "imei": "860123456789012", "iccid1": "89461", "iccid2": "89462"}


def test_a_whole_board_passes_and_the_ledger_has_what_it_said() -> None:
    shown = {"battery": 80, "signal": -87, "imei": "860123456789012", "iccids": ["89461", "89462"]}
    assert judged(7, GOOD, KIND) == shown
    assert judged(7, {}, BoardKind("bare", "esp32s3", 4 << 20, 0, True)) == {"iccids": []}


@pytest.mark.parametrize(
    ("change", "fault", "words"),
    [
        ({"imei": None}, "modem", "modem's plug"),
        ({"iccid2": None}, "sims", "1 of 2 SIM cards: look at the card in slot 2"),
        ({"iccid1": None, "iccid2": ""}, "sims", r"slot 1 \+ 2"),
        ({"iccid2": "89461"}, "sims", "same card in both"),
        ({"battery": None}, "battery", "plug it in"),
        ({"battery": 19}, "battery", "at 19 %: charge it"),
    ],
)
def test_what_is_missing_fails_the_board_with_what_to_do(change: dict[str, Any], fault: str, words: str) -> None:
    with pytest.raises(RunError, match=words) as failed:
        judged(7, {**GOOD, **change}, KIND)
    assert failed.value.fault == fault
    assert fault in FAULTS
