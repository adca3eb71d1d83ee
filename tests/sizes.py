"""How many examples a property is tried with: a few in `make test`, the same in every run; all in `make proof`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

LEAST, PART = 25, 10


def quick(full: int) -> int:
    """The examples of `make test`, of those that a property asks for."""
    return min(full, max(LEAST, full // PART))


def lessen(items: list[pytest.Item]) -> None:
    """Gives the properties among these tests their quick size. Chance is left to `make proof`: a run that fails does
    so again, and one that does not depends on nobody's luck."""
    for each in {id(holder): (holder, name) for holder, name in map(_holder, items) if holder is not None}.values():
        holder, name = each
        own: settings = getattr(holder, name)
        smaller = settings(
            own, max_examples=quick(own.max_examples), derandomize=True, database=None, deadline=None,
            suppress_health_check=[*own.suppress_health_check, HealthCheck.too_slow],
        )  # fmt: skip
        setattr(holder, name, smaller)


def _holder(item: pytest.Item) -> tuple[object, str]:
    """What has a property's settings, and under which name."""
    if item.get_closest_marker("hypothesis") is None or not isinstance(item, pytest.Function):
        return None, ""
    if item.cls is not None and hasattr(item.obj, "_hypothesis_state_machine_class"):
        return item.cls, "settings"
    return getattr(item.obj, "__func__", item.obj), "_hypothesis_internal_use_settings"
