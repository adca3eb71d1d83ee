"""A SIM policy as a document, as arguments on the wire, and the gates of its staged change. Pure.

A change goes out in stages, each a growing share of the units. A stage is left for the next one only when all its
units are done or settled, none too many have failed, and it has had its time; too many failures stop the whole change.
A unit is done when it has answered that it holds the policy and a test on its preferred SIM has come since.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from fleet.connectivity.model import GSM, HOLD_S, LTE, LTE_M, NB_IOT, UMTS, Closing, Policy

MOST_IN_A_LIST: Final = 16
HIGHEST_OPERATOR: Final = 999_999
RADIOS: Final = {"gsm": GSM, "umts": UMTS, "lte": LTE, "lte-m": LTE_M, "nb-iot": NB_IOT}
_NAMES = ("preferred", "forbidden", "closings", "roaming", "hold_s", "apart_s", "margin_db")
BEST: Final = "best"
"""In place of a slot: the fleet chooses for each unit."""
LEAST_HOLD_S: Final = 60
LEAST_APART_S: Final = 600
LONGEST_HOLD_S: Final = 86_400
MOST_MARGIN_DB: Final = 60

_PREFERRED, _FORBIDDEN, _CLOSINGS, _ROAMING, _HOLD, _APART = 1, 2, 3, 4, 5, 6
EVERY_UNIT_KNOWS: Final = _CLOSINGS
"""Units of the first firmware hold the arguments up to this one, and say nothing of the others."""


class PolicyError(ValueError):
    """The policy or its stages are wrong; the message says what to write."""


def read_policy(document: Mapping[str, Any]) -> Policy:
    """A policy that units can hold: ``preferred`` slot 1 or 2, or "best"; ``forbidden`` operators, ``closings`` as
    {operator, radio, date}, ``roaming`` true or false, ``hold_s`` and ``apart_s``; with "best" the fleet's own
    ``margin_db``. Raises PolicyError."""
    unknown = sorted(set(document) - set(_NAMES))
    if unknown:
        raise PolicyError(f"{unknown[0]!a} is nothing that a unit can hold: {', '.join(_NAMES)}")
    preferred = document.get("preferred")
    if preferred not in (1, 2, BEST) or isinstance(preferred, bool):
        raise PolicyError("preferred is SIM slot 1 or 2, or best")
    if preferred != BEST and "margin_db" in document:
        raise PolicyError("margin_db is for the fleet's own choice: prefer best with it")
    roaming = document.get("roaming", True)
    if not isinstance(roaming, bool):
        raise PolicyError("roaming is true or false")
    forbidden, closings = document.get("forbidden", []), document.get("closings", [])
    if not isinstance(forbidden, list) or not isinstance(closings, list):
        raise PolicyError("forbidden and closings are lists")
    if len(forbidden) > MOST_IN_A_LIST or len(closings) > MOST_IN_A_LIST:
        raise PolicyError(f"a unit holds at most {MOST_IN_A_LIST} forbidden operators and as many closings")
    if not all(_is_operator(one) for one in forbidden):
        raise PolicyError("a forbidden operator is MCC and MNC as a number, for example 24001")
    usual = Policy()
    return Policy(
        None if preferred == BEST else preferred,
        tuple(sorted(set(forbidden))),
        roaming,
        tuple(_closing(one) for one in closings),
        _whole(document, "hold_s", usual.hold_s, LEAST_HOLD_S, LONGEST_HOLD_S),
        _whole(document, "apart_s", usual.apart_s, LEAST_APART_S, LONGEST_HOLD_S),
        _whole(document, "margin_db", usual.margin_db, 0, MOST_MARGIN_DB),
    )


def wire_arguments(policy: Policy) -> dict[int, Any]:
    """The same as the command's arguments of docs/wire.md, whose slots begin with 0."""
    if policy.preferred is None:
        raise PolicyError("a unit's policy names its preferred SIM")
    args: dict[int, Any] = {_PREFERRED: policy.preferred - 1}
    if policy.forbidden:
        args[_FORBIDDEN] = list(policy.forbidden)
    if policy.closings:
        args[_CLOSINGS] = [[one.operator, one.radio, int(one.at.timestamp())] for one in policy.closings]
    if not policy.roaming:
        args[_ROAMING] = 0
    if policy.hold_s != HOLD_S:
        args[_HOLD] = policy.hold_s
    if policy.apart_s != HOLD_S:
        args[_APART] = policy.apart_s
    return args


def restricts(policy: Policy) -> bool:
    """Whether it keeps units off networks that they may be on now."""
    return bool(policy.forbidden or policy.closings or not policy.roaming)


def checked_stages(stages: Sequence[int]) -> list[int]:
    """Shares in per cent that grow and end with 100. Raises PolicyError."""
    grows = all(a < b for a, b in itertools.pairwise(stages))
    if not stages or not grows or stages[0] < 1 or stages[-1] != 100:
        raise PolicyError("stages are per cent of the units that grow and end with 100, for example 1,10,50,100")
    return list(stages)


def staged(units: Sequence[int], stages: Sequence[int], seed: int) -> dict[int, int]:
    """Which stage each unit is in, from 0. The order is the seed's and the unit's own, so that it can be told again;
    every stage has a unit as long as there are units."""
    order = sorted(units, key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())
    found: dict[int, int] = {}
    begin = 0
    for stage, share in enumerate(stages):
        end = min(max(-(-len(order) * share // 100), begin + 1), len(order))
        found |= dict.fromkeys(order[begin:end], stage)
        begin = end
    return found


@dataclass(frozen=True, slots=True)
class Progress:
    """How a running change stands: units of the present stage that are not settled, units failed in all stages, when
    the stage began (None: it has not), which stage of how many."""

    open: int
    failed: int
    stage: int
    stages: int
    stage_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gate:
    """What is to be done with a change, and why."""

    step: Literal["begin", "wait", "next", "done", "stop"]
    why: str = ""


def gate(progress: Progress, soak_s: int, most_failed: int, at: datetime) -> Gate:
    """Whether a change goes on. Stopping comes first: one failure too many ends it, whatever else is done."""
    if progress.failed > most_failed:
        return Gate("stop", f"{progress.failed} units failed, {most_failed} may")
    if progress.stage_at is None:
        return Gate("begin")
    if progress.open:
        return Gate("wait", f"{progress.open} units of this stage are not done")
    if at - progress.stage_at < timedelta(seconds=soak_s):
        return Gate("wait", "the stage has not had its time")
    return Gate("done") if progress.stage + 1 >= progress.stages else Gate("next")


def may_order(last_return: datetime | None, at: datetime, apart_s: int) -> bool:
    """Whether a unit may be told now to change its preferred SIM: at most one return a unit and hour."""
    return last_return is None or at - last_return >= timedelta(seconds=apart_s)


def _closing(one: Any) -> Closing:
    if not isinstance(one, Mapping) or set(one) != {"operator", "radio", "date"}:
        raise PolicyError("a closing is {operator, radio, date}")
    if not _is_operator(one["operator"]) or one["radio"] not in RADIOS:
        raise PolicyError(f"a closing needs an operator such as 24001 and one of {', '.join(RADIOS)}")
    try:
        at = datetime.strptime(str(one["date"]), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise PolicyError("a closing's date is as 2027-12-31") from None
    if not 1970 <= at.year <= 2105:
        raise PolicyError("a closing's date lies from 1970 to 2105")
    return Closing(one["operator"], RADIOS[one["radio"]], at)


def _whole(document: Mapping[str, Any], name: str, usual: int, least: int, most: int) -> int:
    value = document.get(name, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise PolicyError(f"{name} is a whole number from {least} to {most}")
    return value


def _is_operator(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 10_000 <= value <= HIGHEST_OPERATOR
