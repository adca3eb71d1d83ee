"""What runs of connectivity in the server: SIM providers are asked, policy changes are moved on."""

from __future__ import annotations

from fleet.clock import Clock, SystemClock
from fleet.connectivity.accounts import Opening
from fleet.connectivity.actions import Actions
from fleet.connectivity.changes import OrderPolicy, PolicyWatch
from fleet.loops import Loops
from fleet.store.pool import Pool, make_pool


class Connectivity:
    """Nothing is opened before ``start``. ``order`` gives a unit its policy; ``box`` opens providers' secrets."""

    def __init__(self, database_url: str, box: Opening, order: OrderPolicy, *, clock: Clock | None = None) -> None:
        kept: Clock = clock or SystemClock()
        self._forward: Pool = make_pool(database_url, "forward", size=2, name="sim-actions")
        self._ingest: Pool = make_pool(database_url, "ingest", size=1, name="sim-policies")
        self._actions = Actions(self._forward, box, kept)
        self._policies = PolicyWatch(self._ingest, order, kept)
        self._loops = Loops("connectivity")

    async def start(self) -> None:
        """Starts both loops; a database that is away at start is waited for."""
        await self._forward.open()
        await self._ingest.open()
        self._loops.start(self._actions.run())
        self._loops.start(self._policies.run())

    async def stop(self) -> None:
        """Ends them. What is owed are rows: whoever comes next finds them."""
        await self._loops.stop()
        await self._actions.close()
        await self._forward.close()
        await self._ingest.close()

    async def watch(self) -> None:
        """Raises RuntimeError when a loop has ended by a fault of ours."""
        await self._loops.watch()
