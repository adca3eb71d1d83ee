"""What runs of connectivity in the server: SIM providers are asked, policy changes are moved on."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from fleet.clock import Clock, SystemClock
from fleet.connectivity.accounts import Opening
from fleet.connectivity.actions import Actions
from fleet.connectivity.changes import OrderPolicy, PolicyWatch
from fleet.loops import Part
from fleet.store.pool import Pool, make_pool


class Connectivity(Part):
    """Nothing is opened before ``start``. ``order`` gives a unit its policy; ``box`` opens providers' secrets."""

    def __init__(self, database_url: str, box: Opening, order: OrderPolicy, *, clock: Clock | None = None) -> None:
        kept: Clock = clock or SystemClock()
        self._forward: Pool = make_pool(database_url, "forward", size=2, name="sim-actions")
        self._ingest: Pool = make_pool(database_url, "ingest", size=1, name="sim-policies")
        self._actions = Actions(self._forward, box, kept)
        self._policies = PolicyWatch(self._ingest, order, kept)
        super().__init__("connectivity", self._forward, self._ingest)

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Actions at providers, and policies for units."""
        return self._actions.run(), self._policies.run()

    async def hang_up(self) -> None:
        """The ways to providers."""
        await self._actions.close()
