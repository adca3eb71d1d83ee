"""Charts and the map as numbers: a line breaks where nothing is known, and shading goes by share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.web.chart import HEIGHT, WIDTH, line_chart
from fleet.web.town_map import draw, level, shapes

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, st.none() | NUMBERS)), NUMBERS, NUMBERS)
def test_a_line_never_leaves_its_frame(points: list[tuple[float, float | None]], low: float, high: float) -> None:
    chart = line_chart(
        [sorted(points, key=lambda one: one[0])],
        span=(-1e5, 1e5),
        low=min(low, high),
        high=max(low, high),
        ends=("", ""),
    )
    for place in chart.lines[0].replace("M", " ").replace("L", " ").split():
        assert -3 <= float(place) <= max(WIDTH, HEIGHT) + 3


def test_a_gap_breaks_the_line_and_a_single_point_is_seen() -> None:
    chart = line_chart([[(0, 1), (1, 2), (5, 3)]], span=(0, 5), low=0, high=4, ends=("a", "b"), apart=2)
    assert chart.lines[0].count("M") == 2
    assert (
        line_chart([[(0, 1), (1, None), (2, 1), (3, 1)]], span=(0, 3), low=0, high=4, ends=("", "")).lines[0].count("M")
        == 2
    )


def test_the_map_knows_all_municipalities_and_finds_them_by_name_or_code() -> None:
    assert len(shapes()) == 290
    drawn = draw([(1, "Kristianstad"), (1293, "Hässleholms stad"), (3, "Atlantis")], {1: (3, 10), 1293: (0, 5)})
    own = {one.name: one.level for one in drawn.drawn if one.level is not None}
    assert own == {"Kristianstad": 3, "Hässleholms stad": 0}
    assert drawn.missing == ("Atlantis",)
    assert draw([(3, "Atlantis")], {}).drawn == ()


def test_shading_goes_by_share_and_one_is_never_none() -> None:
    assert [level(0, 0), level(1, 100_000), level(3, 100), level(11, 100), level(5, 0)] == [0, 1, 2, 3, 3]
