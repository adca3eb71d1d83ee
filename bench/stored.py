"""Press to stored, in every condition that the firmware promises for: real firmware, an emulated modem, lock step.

    python -m bench.stored --presses 200 [--dialect bg95] [--seed 1] [--slowest] [CONDITION ...]

Times are of the lock-step clock: what the modem, the networks and the firmware's own pauses take, and nothing of this
machine. The fleet's end is sim.sealed_receiver, whose commit takes 5 ms; `bench.stored_real` has the real one. What the
emulated network takes by itself is printed beside it. After each press the fleet says taken, the fault is mended, and
the unit is given the time to come back to where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import options
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.lockstep import LockStep
from sim.modem.device import ASLEEP, ON
from sim.modem.rig import Rig
from sim.modem.scenario import Card, Grant, Network, Operator, Scenario, Step, Timing
from sim.sealed_receiver import Books, Key, Receiver

COMMIT_MS = 5
PATIENCE_S = 600.0
"""A press that is not stored by then is lost for this figure."""
TAKEN_AFTER_S = 2.0
SETTLE_S = 4 * 3600.0
"""To come back to where it was; a return to the first card takes up to an hour."""
SOCIAL, TRACKER = 1, 3
HEARTBEAT_S = {SOCIAL: 300, TRACKER: 3600}
_ARRIVED = ("stored", "accepted", "taken")
SLOWEST = Timing(cfun_off_ms=6400, cfun_on_ms=900, register_ms=3200, pdp_ms=1000, open_ms=1000)
"""The slowest of each that was ever logged with a warm cell: nRF9151 log of 2026-05-26 and a BG77's."""


@dataclass(frozen=True)
class Row:
    """One condition. `network_ms`: there and back as the emulated network and the commit take it at their longest."""

    condition: str
    dialect: str
    presses: int
    lost: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    network_ms: float


def scenario(dialect: str, seed: int, sleeps: bool, timing: Timing) -> Scenario:
    """Two cards of two operators on masts of their own, and PSM where it is asked for."""
    return Scenario(
        dialect=dialect,
        seed=seed,
        timing=timing,
        grant=Grant(active="00000101", tau="00100110") if sleeps else Grant(),
        networks=(Network("first"), Network("second", tac=0x2C12, cell=0x01A2B301, rsrp=-97)),
        operators=(Operator("First", "24001", ("first",)), Operator("Second", "24007", ("second",))),
        cards=(
            Card("8946001201234567890", "240016123456789", "First"),
            Card("8946070098765432109", "240079876543210", "Second"),
        ),
    )


class Trial:
    """One unit with its modem, two addresses of the fleet, and a finger."""

    def __init__(
        self, folder: Path, build: Path, dialect: str, seed: int, profile: int, timing: Timing | None = None
    ) -> None:
        self.proven = False
        self.chance = random.Random(seed)
        self.world = LockStep(build)
        identity = make_identity(1)
        authority = CertificateAuthority.open(folder / "ca")
        self.books = Books({1: identity})
        self.addresses = [Receiver(self.world, self.books, COMMIT_MS) for _ in range(2)]
        made = scenario(dialect, seed, profile == TRACKER, timing or Timing())
        write_flash(
            folder / "flash", identity, authority.issue_unit(1), authority.ca_der, profile=profile,
            heartbeat_s=HEARTBEAT_S[profile], pipes=["coap"],
            coap_addresses=[("127.0.0.1", one.port) for one in self.addresses],
            extras=Extras(modem=configured(made)),
        )  # fmt: skip
        self.rig = Rig(made, self.world.clock)
        self.unit = self.world.add_unit(1, folder / "flash", seed=seed, rig=self.rig)

    @property
    def device(self):  # type: ignore[no-untyped-def]
        """The modem."""
        return self.rig.device

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = SETTLE_S) -> None:
        """Raises RuntimeError if it does not come in time."""
        if not self.world.run(seconds, condition):
            raise RuntimeError(f"after {seconds:.0f} s: {what}; console: {self.unit.folder / 'console.log'}")

    def somewhen(self, least: float, most: float) -> None:
        """Let some time pass: a press may come at any moment of what the unit does otherwise."""
        self.world.run(self.chance.uniform(least, most))

    def press(self) -> tuple[Key | None, float]:
        """One press: its key in the fleet's books, and ms until the lamp said so; None if it never came."""
        known = set(self.books.presses)
        started, before = self.world.clock.now(), len(self.unit.lamps)
        self.unit.press(seconds=0.2)

        def arrived() -> bool:
            return any(stage in _ARRIVED for _, stage in self.unit.lamps[before:])

        came = self.world.run(PATIENCE_S, arrived)
        fresh = set(self.books.presses) - known
        if not came or not fresh:
            return None, PATIENCE_S * 1000
        return max(fresh), 1000 * (self.world.clock.now() - started)

    def settle(self, key: Key | None) -> None:
        """The fleet says taken, until the wearer sees it."""
        self.world.run(TAKEN_AFTER_S)
        if key is not None:
            for one in self.addresses:
                one.reach(*key, stage=messages.TAKEN)
            self.wait("the lamp does not say taken", lambda: self.unit.stage in ("taken", "off"), 900)

    def is_up(self) -> bool:
        """Whether the modem has a path and hears."""
        return self.device.state == ON and self.device.pdp and not self.device.hung


def _warm(trial: Trial) -> None:
    trial.wait("no path", trial.is_up)
    trial.somewhen(20, 120)


def _from_psm(trial: Trial) -> None:
    trial.somewhen(60, 600)
    # A modem without a key stays awake: nothing could wake it in time.
    trial.wait(
        "board and modem do not sleep",
        lambda: trial.unit.board.asleep and (trial.device.state == ASLEEP or not trial.device.has_key),
    )
    trial.somewhen(1, 60)


def _long_after(trial: Trial) -> None:
    """A modem that hangs every other minute is a case for a technician, not for this figure."""
    trial.somewhen(2 * 3600, 3 * 3600)
    trial.wait("no path", trial.is_up)


def _prove(trial: Trial) -> None:
    """A fresh unit proves its other card within two hours, and learns how long a change takes."""
    if not trial.proven:
        trial.wait("it does not prove its other card", lambda: trial.device.slot == 1)
        trial.proven = True


def _on_first_card(trial: Trial) -> None:
    _prove(trial)
    trial.wait("it does not return to the first card", lambda: trial.device.slot == 0 and trial.is_up())
    trial.somewhen(120, 600)


def _asleep_on_first_card(trial: Trial) -> None:
    _prove(trial)
    while True:
        trial.wait("it does not return to the first card", lambda: trial.device.in_use() == 0)
        _from_psm(trial)
        if trial.device.in_use() == 0:
            return


def _nothing(trial: Trial) -> None:
    """No fault."""


def _first_network_gone(trial: Trial) -> None:
    trial.device.do(Step("network", name="first", up=False))


def _first_network_back(trial: Trial) -> None:
    trial.device.do(Step("network", name="first"))


def _first_card_silent(trial: Trial) -> None:
    trial.device.do(Step("loss", slot=0, loss=1.0))


def _first_card_mended(trial: Trial) -> None:
    trial.device.do(Step("loss", slot=0, loss=0.0))


def _path_dropped(trial: Trial) -> None:
    trial.device.do(Step("pdp_drop"))


def _path_dropped_silently(trial: Trial) -> None:
    trial.device.do(Step("pdp_drop", quiet=True))


def _hung(trial: Trial) -> None:
    trial.device.do(Step("hang"))


def _address_dead(trial: Trial) -> None:
    trial.addresses[0].deaf = True


def _address_back(trial: Trial) -> None:
    trial.addresses[0].deaf = False


Act = Callable[[Trial], None]
# name -> (profile, what comes before a press, the fault at the moment of the press, its end)
CONDITIONS: dict[str, tuple[int, Act, Act, Act]] = {
    "warm": (SOCIAL, _warm, _nothing, _nothing),
    "from PSM": (TRACKER, _from_psm, _nothing, _nothing),
    "SIM 1 dead": (SOCIAL, _on_first_card, _first_network_gone, _first_network_back),
    "SIM 1 silent": (SOCIAL, _on_first_card, _first_card_silent, _first_card_mended),
    "SIM 1 dead, from PSM": (TRACKER, _asleep_on_first_card, _first_network_gone, _first_network_back),
    "PDP dropped": (SOCIAL, _warm, _path_dropped, _nothing),
    "PDP dropped silently": (SOCIAL, _warm, _path_dropped_silently, _nothing),
    "modem hung": (SOCIAL, _long_after, _hung, _nothing),
    "first address dead": (SOCIAL, _warm, _address_dead, _address_back),
}


def measure(
    condition: str, presses: int, dialect: str = "bg95", seed: int = 1, slowest: bool = False, place: str | None = None
) -> Row:
    """So many presses in one condition, in a folder of its own, in `place`. Raises RuntimeError where the unit does not
    recover."""
    profile, before, fault, mend = CONDITIONS[condition]
    folder = Path(tempfile.mkdtemp(prefix="livlina-stored-", dir=place))
    took: list[float] = []
    keys: set[Key] = set()
    try:
        trial = Trial(folder, folder / "build", dialect, seed, profile, SLOWEST if slowest else None)
        with trial.world:
            trial.wait("the unit never came up", lambda: trial.books.heartbeats > 0, 900)
            for _ in range(presses):
                before(trial)
                fault(trial)
                key, ms = trial.press()
                took.append(ms)
                keys |= {key} if key is not None else set()
                mend(trial)
                trial.settle(key)
    except Exception:
        sys.stderr.write(f"in the condition {condition!r} with {dialect}; the unit's console ends with:\n")
        console = folder / "flash/console.log"
        sys.stderr.write(console.read_text(errors="replace")[-3000:] if console.exists() else "")
        raise
    finally:
        shutil.rmtree(folder)
    took.sort()
    path = trial.rig.scenario.path
    return Row(
        condition, dialect, presses, presses - len(keys),
        round(took[(len(took) - 1) // 2], 1), round(took[max(0, -(-99 * len(took) // 100) - 1)], 1), round(took[-1], 1),
        2 * (path.latency_ms + path.jitter_ms) + COMMIT_MS,
    )  # fmt: skip


def measure_all(
    conditions: list[str], presses: int, dialect: str = "bg95", workers: int = 2, slowest: bool = False, seed: int = 1
) -> list[Row]:
    """Several conditions, side by side; `slowest`: by a modem that takes the longest that was logged."""
    with (
        tempfile.TemporaryDirectory(prefix="livlina-stored-") as place,
        ProcessPoolExecutor(workers, initializer=_leaves_a_ctrl_c_alone) as pool,
    ):
        every = [pool.submit(measure, condition, presses, dialect, seed, slowest, place) for condition in conditions]
        try:
            return [one.result() for one in every]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.kill()
            raise


def _leaves_a_ctrl_c_alone() -> None:
    """Who has started a worker hears it too, and ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> int:
    """0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conditions", nargs="*", metavar="CONDITION", help=f"of: {', '.join(CONDITIONS)}; default all")
    parser.add_argument("--presses", type=options.whole(1, 100_000), default=200)
    parser.add_argument("--dialect", default="bg95", choices=("bg95", "sim7080g", "gm02s"))
    parser.add_argument("--seed", type=options.SEED, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--slowest", action="store_true", help="modem times as slow as ever logged with a warm cell")
    arguments = parser.parse_args()
    if unknown := set(arguments.conditions) - set(CONDITIONS):
        parser.error(f"there is no condition {', '.join(sorted(unknown))}")
    rows = measure_all(
        arguments.conditions or list(CONDITIONS), arguments.presses, arguments.dialect,
        slowest=arguments.slowest, seed=arguments.seed,
    )  # fmt: skip
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    else:
        for row in rows:
            sys.stdout.write(
                f"{row.condition:22} {row.presses:4} presses, {row.lost} lost; p50 {row.p50_ms:8.0f} ms, p99 "
                f"{row.p99_ms:8.0f} ms, longest {row.longest_ms:8.0f} ms; the network's own {row.network_ms:.0f} ms\n"
            )
    return 1 if any(row.lost for row in rows) else 0


if __name__ == "__main__":
    options.run(main)
