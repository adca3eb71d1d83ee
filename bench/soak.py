"""Presses at any moment, through any faults: real firmware of every make, an emulated modem, lock step.

    python -m bench.soak [--runs 20] [--seed 1] [--hours 3] [--sabotage forgets]

Each run draws a unit (profile, modem's dialect, one card or two, a network of the board's own, pendants, SMS), a line
and a path of some quality, and for its hours faults at random: networks and cards that go, silence, dropped paths, hung
and restarted modems, dead servers, power cuts. Between them somebody presses. Then everything is mended, and the
fleet's books are held against the finger's (`bench.soak_judge`). `forgets` is the control: a fleet that receipts one
press and keeps nothing of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import options, soak_judge, stored
from bench.soak_judge import Broken, Pressed
from firmware.core import pendants
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.lockstep import LockStep, StuckError
from sim.modem.rig import Rig
from sim.modem.scenario import Interrupts, PathSettings, Scenario, Serial, Step, Timing
from sim.sealed_receiver import Books, Key, Receiver

SOCIAL, PERSONAL, TRACKER = 1, 2, 3
HEARTBEAT_S = {SOCIAL: 300, PERSONAL: 300, TRACKER: 3600}
APART_S = (15.0, 700.0)
"""Between two presses."""
LENGTHS_S = (20, 90, 400, 2400)
FAULTS_APART_S = (20.0, 900.0)
HELD_S = (0.7, 1.5)
AWAKE_S = 3.0
"""So long after power is back nobody presses: on a real board the latch sees what comes before."""
KEPT_S = 2.0
"""A power cut does not come sooner after a press: a press is one when it is on flash."""
MOST_WAITING = 10
"""Nobody presses beyond that: a unit holds 12 presses that are not stored, and counts further ones into these."""
FORGOTTEN = 3
"""Which press the sabotaged fleet forgets."""
START_S = 900.0
RECOVERY_S = 7200.0
TOGETHER = 0.3
_KEY = bytes(range(16))


@dataclass
class Run:
    """What one run has shown; `wrong` are sentences, none is allowed. `restarts` are the unit's own: memory that
    fails while a press waits costs one. `late` are the presses that took long, with what was wrong then."""

    seed: int
    unit: str
    presses: int = 0
    faults: int = 0
    cuts: int = 0
    heartbeats: int = 0
    restarts: int = 0
    worst_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _steps(draw: random.Random, seconds: float, cards: int) -> list[tuple[str, Step, Step | None]]:
    """What can happen to a modem: a name, the step, and the one that mends it where it does not mend itself."""
    ms = seconds * 1000
    found: list[tuple[str, Step, Step | None]] = [
        ("hang", Step("hang"), None),
        ("hang a while", Step("hang", ms=ms), None),
        ("stall", Step("stall", ms=draw.uniform(500, 20_000)), None),
        ("reset", Step("reset"), None),
        ("brown out", Step("brown_out"), None),
        ("pdp drop", Step("pdp_drop"), None),
        ("pdp drop quiet", Step("pdp_drop", quiet=True), None),
        ("cell loss", Step("cell_loss", ms=ms), None),
        ("registration denied", Step("registration", stat=3, ms=ms), None),
        ("sms", Step("sms", payload="e8329bfd06", coding=draw.choice(("7-bit", "8-bit", "garbage"))), None),
        ("sms refused", Step("sms_refused", times=3), None),
        ("urc noise", Step("urc", lines=('GARBAGE: \x01,,"', "+QIND: 7"), times=3), None),
        ("first down", Step("network", name="first", up=False), Step("network", name="first")),
        ("second down", Step("network", name="second", up=False), Step("network", name="second")),
    ]
    for slot in range(cards):
        found += [
            (f"slot {slot} silent", Step("loss", slot=slot, loss=1.0), Step("loss", slot=slot, loss=0.0)),
            (f"slot {slot} cause 11", Step("cause", slot=slot, cause=11), Step("cause", slot=slot, cause=0)),
            (f"card {slot} out", Step("card", slot=slot, up=False), Step("card", slot=slot)),
        ]
    return found


class ForgetfulBooks(Books):
    """Says stored of every press, and keeps nothing of one."""

    forgotten: Key | None = None

    def keep(self, at: float, unit: int, message: Any) -> list[tuple[int, int, int]]:
        """As any; but for that one."""
        key = (unit, message.boot, message.seq) if isinstance(message, messages.Alarm) else None
        if key is not None and self.forgotten is None and len(self.presses) == FORGOTTEN and key not in self.presses:
            self.forgotten = key
        if key is not None and key == self.forgotten:
            return [(message.boot, message.seq, messages.STORED)]
        return super().keep(at, unit, message)


class Soak:
    """One unit, its modem, two addresses of the fleet, a finger, and chance."""

    def __init__(self, folder: Path, build: Path, seed: int, forgets: bool = False) -> None:
        self.chance = random.Random(seed)
        self.world = LockStep(build)
        self.world.flights.refuses_streams = True
        draw = self.chance
        self.profile = draw.choice((SOCIAL, SOCIAL, PERSONAL, TRACKER))
        self.cards = draw.choice((1, 2, 2))
        self.wifi = self.profile == SOCIAL and draw.random() < 0.4
        self.pendants = draw.choice((0, 1, 4)) if self.profile == SOCIAL else 0
        self.sms = draw.random() < 0.5
        self.mqtt = self.profile == SOCIAL and not (self.wifi and self.pendants) and draw.random() < 0.3
        self.dialect = draw.choice(("bg95", "sim7080g", "gm02s"))
        made = self._scenario(seed)
        identity = make_identity(1)
        authority = CertificateAuthority.open(folder / "ca")
        self.books = (ForgetfulBooks if forgets else Books)({1: identity})
        self.addresses = [Receiver(self.world, self.books) for _ in range(2)]
        pipes = ["coap", "mqtt"] if self.mqtt else ["coap"]
        write_flash(
            folder / "flash", identity, authority.issue_unit(1), authority.ca_der, profile=self.profile,
            heartbeat_s=HEARTBEAT_S[self.profile], pipes=pipes,
            coap_addresses=[("127.0.0.1", one.port) for one in self.addresses],
            mqtt_address=("127.0.0.1", 9, "localhost") if self.mqtt else None,
            extras=Extras(
                modem=configured(made), sms_number="+46123456" if self.sms else None,
                own_network=("wlan", "network", "password") if self.wifi else None,
                pendants=[(16 + number, 7001 + number, _KEY, 3600) for number in range(self.pendants)],
            ),
        )  # fmt: skip
        self.rig = Rig(made, self.world.clock)
        self.unit = self.world.add_unit(
            1, folder / "flash", seed=seed, rig=self.rig, ticks=draw.choice((0, (1 << 30) - 3_600_000))
        )
        self.unit.own_network = self.wifi
        self.pressed: list[Pressed] = []
        self.counters = [0] * 4
        self.healing: list[tuple[float, Callable[[], None], str]] = []
        self.powered_at = 0.0
        self.broken: list[Broken] = []
        self.mended = 0.0
        self.recovery_s = RECOVERY_S if not forgets else 60.0
        self.run = Run(
            seed, f"profile {self.profile}, {self.dialect}, {self.cards} card(s)"
            + (", Wi-Fi" if self.wifi else "") + (", SMS" if self.sms else "") + (", MQTT" if self.mqtt else "")
            + f", {self.pendants} pendants",
        )  # fmt: skip

    def _scenario(self, seed: int) -> Scenario:
        draw = self.chance
        poor = draw.random() < 0.3
        loss = draw.choice((0.0, 0.01, 0.1)) if poor else 0.01
        serial = Serial(chunk=draw.choice((0, 0, 1, 7)), gap_ms=0.02)
        path = PathSettings(loss_up=loss, loss_down=loss, jitter_ms=draw.choice((20, 200)))
        made = stored.scenario(self.dialect, seed, draw.random() < 0.7, Timing())
        interrupts = Interrupts(0.2, ("+CPIN: READY", '+CMTI: "ME",99')) if poor else Interrupts()
        return replace(made, serial=serial, path=path, interrupts=interrupts, cards=made.cards[: self.cards])

    # What goes wrong

    def say(self, text: str) -> None:
        self.run.log.append(f"{self.world.clock.now():9.1f} {text}")

    def fault(self) -> None:
        """Something goes wrong, and is mended after a while where it does not mend itself."""
        draw, now = self.chance, self.world.clock.now()
        seconds = draw.uniform(0.3, 1) * draw.choice(LENGTHS_S)
        steps = _steps(draw, seconds, self.cards)
        others = ["address 0 deaf", "address 1 deaf", "fleet deaf", "power cut"] + ["wifi deaf"] * self.wifi
        what = draw.randrange(len(steps) + len(others))
        name = steps[what][0] if what < len(steps) else others[what - len(steps)]
        if any(one[2] == name for one in self.healing):
            return
        if what < len(steps):
            _, step, mend = steps[what]
            self.rig.device.do(step)
            if mend is not None:
                self.healing.append((now + seconds, lambda: self.rig.device.do(mend), name))
            self.broken.append((now, now + seconds, name))
        elif not self._other(name, now, seconds):
            return
        self.run.faults += 1
        self.say(f"fault {name} {seconds:.0f} s")

    def _other(self, name: str, now: float, seconds: float) -> bool:
        """What is not the modem's, and whether it has happened."""
        if name == "power cut":
            last = self.pressed[-1].at if self.pressed else 0.0
            if now - last < KEPT_S + HELD_S[1]:
                return False
            self.run.cuts += 1
            self.unit.power_cut()
            seconds = min(seconds, 60)
            self.healing.append((now + seconds, self._power, name))
        elif name == "wifi deaf":
            self._deaf_to_own(True)
            self.healing.append((now + seconds, lambda: self._deaf_to_own(False), name))
        else:
            which = self.addresses if name == "fleet deaf" else [self.addresses[int(name.split()[1])]]
            for one in which:
                one.deaf = True
            self.healing.append((now + seconds, lambda: self._hear(which), name))
        self.broken.append((now, now + seconds, name))
        return True

    def _deaf_to_own(self, deaf: bool) -> None:
        for one in self.addresses:
            one.deaf_to_own = deaf

    def _hear(self, which: list[Receiver]) -> None:
        for one in which:
            one.deaf = False

    def _power(self) -> None:
        self.unit.power_up()
        self.powered_at = self.world.clock.now()
        self.say("power is back")

    def heal(self, everything: bool = False) -> None:
        """What is due."""
        now = self.world.clock.now()
        due = [one for one in self.healing if everything or one[0] <= now]
        self.healing = [one for one in self.healing if one not in due]
        for _, mend, name in sorted(due, key=lambda one: one[0]):
            self.say(f"mended {name}")
            mend()

    # The finger

    def press(self) -> None:
        """Somebody presses, if the unit has power: its own button or, where it is awake to hear it, a pendant."""
        if not any(name == "power cut" for *_, name in self.healing):
            now = self.world.clock.now()
            if now < self.powered_at + AWAKE_S or len(self.pressed) - len(self.books.presses) >= MOST_WAITING:
                return
            which = self.chance.randrange(self.pendants + 1)
            if which and not self.unit.board.asleep:
                number = which - 1
                self.counters[number] += 1
                frame = pendants.frame(_sha256, _KEY, 7001 + number, self.counters[number], pendants.PRESS, 90)
                self.unit.pendant(frame)
                self.pressed.append(Pressed(now, 16 + number))
            else:
                self.unit.press(self.chance.uniform(*HELD_S))
                self.pressed.append(Pressed(now, 0))
            self.say(f"press {len(self.pressed)} of input {self.pressed[-1].input}")

    def take(self) -> None:
        """The operator takes what is open, mostly."""
        for (unit, boot, seq), stage in list(self.books.stages.items()):
            if (unit, boot, seq) in self.books.presses and stage < messages.TAKEN:
                self.addresses[0].reach(unit, boot, seq, messages.TAKEN)

    def go(self, hours: float) -> Run:
        """The whole of it."""
        draw, clock = self.chance, self.world.clock
        with self.world:
            self.world.run(START_S)
            end = clock.now() + hours * 3600
            press, fault, take = (clock.now() + draw.uniform(*one) for one in (APART_S, FAULTS_APART_S, APART_S))
            while clock.now() < end:
                due = min([press, fault, take, end] + [one[0] for one in self.healing])
                self.world.run(max(0.001, due - clock.now()))
                self.heal()
                if clock.now() >= press:
                    self.press()
                    press = clock.now() + draw.uniform(*APART_S)
                if clock.now() >= fault:
                    self.fault()
                    # Some come together.
                    fault = clock.now() + draw.uniform(*((0.1, 5) if draw.random() < TOGETHER else FAULTS_APART_S))
                if clock.now() >= take:
                    self.take()
                    take = clock.now() + draw.uniform(*APART_S)
            self.world.run(HELD_S[1] + KEPT_S)
            self._afterwards()
            self.judge()
        return self.run

    def _afterwards(self) -> None:
        """Everything is mended, and what is still on its way may come."""
        self.heal(everything=True)
        self.mended = self.world.clock.now()
        self.world.run(self.recovery_s, lambda: len(self.books.presses) >= len(self.pressed))
        beats = self.books.heartbeats
        longest = 2 * HEARTBEAT_S[self.profile] + 900
        if not self.world.run(longest, lambda: self.books.heartbeats > beats):
            self.run.wrong.append(f"no heartbeat within {longest} s of the end")

    def judge(self) -> None:
        """What is wrong, into `run`."""
        run = self.run
        run.presses, run.heartbeats, run.restarts = len(self.pressed), self.books.heartbeats, len(self.unit.resets)
        came = [self.books.first[key] for key in sorted(self.books.presses)]
        run.wrong += soak_judge.judge(self.pressed, came, self.unit.lamps, self.broken, self.mended)
        run.worst_s, run.late = soak_judge.late(self.pressed, came, self.broken)


def one(seed: int, hours: float, build: Path, forgets: bool = False) -> Run:
    """One run, in a folder of its own. A unit that gets stuck is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="livlina-soak-"))
    try:
        soak = Soak(folder, build, seed, forgets)
        try:
            soak.go(hours)
        except StuckError as error:
            soak.run.wrong.append(f"stuck: {error}")
        if soak.run.wrong:
            soak.run.log += (folder / "flash/console.log").read_text(errors="replace").splitlines()
            soak.run.log += [f"{at:9.1f} lamp {stage}" for at, stage in soak.unit.lamps]
        return soak.run
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """0 if nothing was wrong. What is known of a run that was goes to stderr: events, console, lamp."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=options.whole(1, 100_000), default=20)
    parser.add_argument("--seed", type=options.SEED, default=1)
    parser.add_argument("--hours", type=options.real(0.1, 240), default=3)
    parser.add_argument("--sabotage", choices=("forgets",))
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="livlina-soak-build-") as build:
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            run = one(seed, arguments.hours, Path(build), arguments.sabotage == "forgets")
            row = asdict(run)
            log = row.pop("log")
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
            if run.wrong:
                bad += 1
                sys.stderr.write("\n".join(log) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    options.run(main)
