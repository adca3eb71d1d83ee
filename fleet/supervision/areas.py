"""Whether cell areas of one operator are out together: each too small to say so alone, all of them not. Pure.

Of an operator's areas a part, ``PART``, is assumed to be out, each of them wholly (nine of ten heartbeats are missed);
the others miss what is usual. An area with n heartbeats due and m missed has the evidence
L = m ln(OUT/p) + (n - m) ln((1 - OUT)/(1 - p)), and all areas together have S = sum of ln(1 - PART + PART exp L). This
is a likelihood ratio: chance alone makes S or more with a probability of at most exp(-S), however many areas there are
and whichever of them are out (Xie and Siegmund's mixture). So no list of suspects has to be paid for.
"""

from __future__ import annotations

import math
from typing import Final

ALARM: Final = 19.0
"""Areas stand out together at this S: of 518,400 looks in 30 days, in four windows and for ten operators, that is at
most one in nine such months, and far fewer, since looks that overlap are nearly the same one."""
OUT: Final = 0.9
PART: Final = 0.1
LEAST: Final = 2
"""One lost heartbeat makes no area of an outage, however bad others are."""
LEAST_PART: Final = 0.02
SURE: Final = 0.9
"""An area is taken to be out when that is so likely, seen what is known of the others."""
_MOST: Final = 500.0


def evidence(due: int, missed: int, usual: float) -> float:
    """The logarithm of how much better *out* explains an area's heartbeats than chance does."""
    return missed * math.log(OUT / usual) + (due - missed) * math.log((1 - OUT) / (1 - usual))


def together(of: float) -> float:
    """What one area's evidence adds to all of theirs."""
    return math.log(1 - PART + PART * math.exp(min(of, _MOST)))


def likely_out(of: float, part: float = PART) -> float:
    """How likely it is, from 0 to 1, that an area is out, where such a part of all is."""
    prior = min(0.5, max(LEAST_PART, part))
    return 1 / (1 + (1 - prior) / prior * math.exp(-max(-_MOST, min(of, _MOST))))
