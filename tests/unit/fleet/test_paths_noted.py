"""What a front door remembers of the ways it has committed: it spares writes and hides nothing new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleet.connectivity.paths import APART, Noted, Seen

NOW = datetime(2027, 3, 1, 22, tzinfo=UTC)
HERE = Seen(1, 3, 24001, 3, 77, 5, NOW)


def later(seconds: float) -> Seen:
    return HERE._replace(at=NOW + timedelta(seconds=seconds))


def test_a_way_that_was_committed_lately_is_not_news() -> None:
    noted = Noted()
    assert noted.news([HERE]) == [HERE], "nothing is known before it is committed"
    assert noted.news([HERE]) == [HERE]
    noted.keep([HERE])
    assert noted.news([later(60), later(120)._replace(cell=None)]) == []


def test_time_a_cell_a_card_an_operator_and_an_older_message_are_news() -> None:
    noted = Noted()
    noted.keep([HERE])
    news = [
        later(APART.total_seconds()), later(60)._replace(cell=78), later(60)._replace(told=True),
        later(60)._replace(operator=24002), later(60)._replace(bearer=4), later(60)._replace(unit=2), later(-1),
    ]  # fmt: skip
    assert noted.news(news) == news


def test_a_full_memory_forgets_and_writes_again() -> None:
    noted = Noted(most=2)
    noted.keep([HERE, HERE._replace(unit=2)])
    noted.keep([HERE._replace(unit=3)])
    assert noted.news([later(60)]) == [later(60)]
    assert noted.news([later(60)._replace(unit=3)]) == []
