"""How tests are shared between workers, and in which order they begin.

Many tests wait, for processes or for a modem's own time, others compute: where both kinds run side by side, all cores
are busy all the time. What is long begins early, so that no core waits for it at the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

WAITING = ("journeys", "faults", "browser", "peers", "store", "unit/sim", "unit/modem")
COMPUTING = ("on_unit", "both", "unit")
"""Folders of tests that mostly wait, and of tests that mostly compute; those with the longest shares first. A unit's
tests go alone and are short: they fill the end up, where one long file would leave the other workers idle."""
EACH_ALONE = tuple(f"tests/{folder}/" for folder in ("journeys", "unit/sim", "unit/modem", "on_unit"))
"""Every test of these folders brings up its own house or unit; its file keeps nothing for the others."""


def share_of(nodeid: str) -> str:
    """What is not divided between workers: a file, whose tests share what is expensive, or one test."""
    return nodeid if nodeid.startswith(EACH_ALONE) else nodeid.partition("::")[0]


def order(nodeids: Iterable[str]) -> list[str]:
    """The shares of these tests in the order in which they begin: computing ones spread evenly between waiting ones."""
    waiting: list[tuple[int, str]] = []
    computing: list[tuple[int, str]] = []
    for share in dict.fromkeys(map(share_of, nodeids)):
        place = _place(share, WAITING)
        if place < len(WAITING):
            waiting.append((place, share))
        else:
            computing.append((_place(share, COMPUTING), share))
    placed = []
    for kind in (waiting, computing):
        kind.sort(key=lambda one: one[0])
        placed += [((number + 0.5) / len(kind), share) for number, (_, share) in enumerate(kind)]
    return [share for _, share in sorted(placed, key=lambda one: one[0])]


def _place(share: str, folders: tuple[str, ...]) -> int:
    found = (place for place, folder in enumerate(folders) if share.startswith(f"tests/{folder}/"))
    return next(found, len(folders))


class Shares(LoadScopeScheduling):
    """A worker gets one share after the other, in the order of the collected tests.

    A worker that dies, as one does whose test hangs, leaves what it has not begun to a new one. xdist would give that
    one the shares that are done, too, and the test that killed the first; with nothing to run, or with one test and no
    word that it is the last, it would wait for ever, and so would the run.
    """

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        left = self.assigned_work[node]
        running = next((test for share in left.values() for test, done in share.items() if not done), None)
        for name, share in list(left.items()):
            if running in share:
                share[running] = True
            if all(share.values()):
                del left[name]
        super().remove_node(node)
        return running

    def schedule(self) -> None:
        super().schedule()
        for node in self.nodes:
            # A worker begins a test when it knows the next one.
            self._reschedule(node)
