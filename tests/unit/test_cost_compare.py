"""Buying and leasing: the known figures come out, others are reckoned with, and what is no figure is refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fleet.connectivity.cost_compare import CostError, Figures, compare, read_figures, read_words
from livlina.cli import app


def test_the_figures_of_250_personal_alarms() -> None:
    found = compare(Figures())
    assert found["one_unit"]["saved_a_year_by_buying"] == 2670
    assert found["year_1_buying_costs_more"] == 527_500
    assert found["break_even_years"] == 1.79
    assert found["saved_a_year_by_buying"] == 667_500


def test_the_command_says_the_same_and_takes_figures_of_ones_own(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["cost", "compare", "--json"])
    assert run.exit_code == 0 and json.loads(run.output)["break_even_years"] == 1.79
    shown = CliRunner().invoke(app, ["cost", "compare"]).output
    assert "2 670 SEK a unit and year" in shown and "527 500 SEK more" in shown and "after 1.79 years" in shown
    file = tmp_path / "ours.toml"
    file.write_text("units = 10\nlease_a_year = 4410\n")
    run = CliRunner().invoke(app, ["cost", "compare", "--file", str(file), "--set", "years=2", "--json"])
    found = json.loads(run.output)
    assert found["break_even_years"] is None and len(found["sums"]) == 2 and found["figures"]["units"] == 10
    for words in (["--set", "units=0"], ["--set", "x=1"], ["--set", "units"], ["--set", "units=-4"]):
        run = CliRunner().invoke(app, ["cost", "compare", *words])
        assert run.exit_code == 1 and "Traceback" not in run.output


AMOUNT = st.integers(0, 10**6)


@given(
    units=st.integers(1, 250_000), once=AMOUNT, start=AMOUNT, service=AMOUNT, lease=AMOUNT, centre=AMOUNT,
    years=st.integers(1, 50),
)  # fmt: skip
def test_break_even_is_where_the_sums_meet(
    units: int, once: int, start: int, service: int, lease: int, centre: int, years: int
) -> None:
    given_ = {
        "units": units, "buy_unit_once": once, "buy_start_once": start, "buy_service_a_year": service,
        "lease_a_year": lease, "buy_centre_a_year": centre, "lease_centre_a_year": centre, "years": years,
    }  # fmt: skip
    found = compare(read_figures(given_))
    for row in found["sums"]:
        year = row["year"]
        by_hand = units * (once + start) + year * units * (service + centre) - year * units * (lease + centre)
        assert row["buying_costs_more"] == by_hand
        even = found["break_even_years"]
        if even is None:
            assert by_hand > 0, "who never pays back costs more in every year"
        elif lease > service:
            exact = Fraction(once + start, lease - service)
            assert (by_hand <= 0) == (year >= exact)


def test_what_is_no_figure_is_refused() -> None:
    for given_ in ({"units": 1.5}, {"units": True}, {"lease": 1}, {"currency": ""}, {"years": 51}):
        with pytest.raises(CostError):
            read_figures(given_)
    assert read_words(["units=11 000"]) == {"units": 11000}
