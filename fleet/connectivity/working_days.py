"""Days on which installers work in Sweden. Pure.

Closed are Saturdays, Sundays, the public holidays of the Act on public holidays (1989:253), and the three eves that
collective agreements make as good as holidays. What a municipality keeps closed besides is an argument.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from functools import cache

FRIDAY, SATURDAY = 4, 5


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, as Meeus prints it)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, leap_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leap - correction + 15) % 30
    quarter, quarter_rest = divmod(rest, 4)
    weekday = (32 + 2 * leap_rest + 2 * quarter - moon - quarter_rest) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@cache
def holidays(year: int) -> frozenset[date]:
    """Days of a year, other than Saturdays and Sundays, on which nobody is sent out."""
    paschal = easter(year)
    midsummer_eve = date(year, 6, 19) + timedelta(days=(FRIDAY - date(year, 6, 19).weekday()) % 7)
    found = {
        date(year, 1, 1), date(year, 1, 6), date(year, 5, 1), date(year, 6, 6), date(year, 12, 25), date(year, 12, 26),
        paschal - timedelta(days=2), paschal + timedelta(days=1), paschal + timedelta(days=39),
        midsummer_eve, date(year, 12, 24), date(year, 12, 31),
    }  # fmt: skip
    return frozenset(day for day in found if day.weekday() < SATURDAY)


def is_working(day: date, closed: Collection[date] = ()) -> bool:
    """Whether installers work on this day."""
    return day.weekday() < SATURDAY and day not in closed and day not in holidays(day.year)


def from_day(start: date, closed: Collection[date] = ()) -> Iterator[date]:
    """Working days from ``start`` on, that day included where it is one."""
    day = start
    while True:
        if is_working(day, closed):
            yield day
        day += timedelta(days=1)


def between(start: date, last: date, closed: Collection[date] = ()) -> int:
    """How many working days there are from ``start`` to ``last``, both included."""
    return sum(is_working(start + timedelta(days=ahead), closed) for ahead in range((last - start).days + 1))
