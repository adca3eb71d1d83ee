"""Makes a unit: its ports, its cores, and the driver that runs them. The larger part of the composition root.

Only the start needs this code, so `main` forgets it when the unit is made. Nothing that stays may hold a function or
class of this file, nor of those that only it imports (firmware/manifest.py): it would hold all of them.
"""

import os

import machine

from firmware import boot, means
from firmware.bearers import Builder, Ways, cellular
from firmware.core import obey, profiles, reboot, reboot_names, stages
from firmware.core.events import FAULT_CONFIG, FAULT_CRASH, FAULT_TASK
from firmware.core.heartbeat import Heartbeat
from firmware.core.setup import Means
from firmware.core.unit import Unit
from firmware.driver import Driver
from firmware.gauge import Gauge
from firmware.owed import Owed
from firmware.ports import breadcrumbs, identity, pins
from firmware.ports.ballast import Ballast
from firmware.ports.breadcrumbs import Crumbs
from firmware.ports.clock import Clock
from firmware.ports.console import say
from firmware.ports.counters import Counters
from firmware.ports.journal import Journal
from firmware.ports.kept import Kept
from firmware.ports.sealer import Sealer
from firmware.ports.sleep import Sleep
from firmware.ports.watchdog import Watchdog
from firmware.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.setup import Setup
    from firmware.ports.flash import Flash

WAKE_MS = 1000
"""From the contact that wakes the board to its first look: longer than any debouncing, and part of the hold."""
_KEPT = ("command", "drill", "heartbeat", "pendants", "policy")


def _pendants(setup: "Setup", kept: "Any", now: int) -> "Any":
    if not setup.pendants:
        return None
    from firmware.core.pendants import Pendants

    return Pendants(setup.pendants, means.sha256, kept, now)


def _setup(config: identity.Config, bare: bool) -> "Setup":
    """What kind of unit this is. Where safe mode too has failed it is a button and nothing else."""
    setup = profiles.read(config.fields)
    setup.faults += config.faults
    if bare:
        setup.pendants = []
        setup.inputs = [one for one in setup.inputs if one.code == profiles.OWN]
    return setup


def _arm(journal: Journal, boot_number: int) -> None:
    try:
        journal.arm(boot_number)
    except OSError as error:
        # Flash refuses: the press that needs this would be refused as well.
        say("journal:", error)


def _attach(driver: Driver, setup: "Setup", gauge: Gauge, sleep: Sleep, safe: bool, now: int) -> None:
    """The inputs and voltages that the board has, the radio of the pendants, and rest where the profile has any."""
    from firmware.ports.sensors import Sensors

    driver.sensors = gauge.sensors = Sensors(setup.profile, driver.on_sensor, driver.on_edge)
    if setup.pendants:
        from firmware.ports.ble import PendantRadio

        driver.radio = PendantRadio(driver.on_pendant, means.radio_failed(driver))
    if setup.profile.psm != profiles.PSM_NEVER and not safe:
        from firmware.repose import Repose

        cards = None if driver.cellular is None else driver.cellular.conduct
        tell, save, untold = driver.tell, driver.crumbs.save, driver.untold
        driver.repose = Repose(setup.profile, driver.unit, sleep, tell, save, untold, now, cards)


def _vigil(setup: "Setup", slept: "list[int] | None", now: int) -> "Any":
    if setup.profile.psm == profiles.PSM_NEVER:
        return None
    from firmware.core.vigil import Vigil

    return Vigil(0 if slept is None else slept[4], now)


def _after_sleep(sleep: Sleep) -> "list[int] | None":
    """What the boot before a deep sleep remembered, less the time slept; None after any other start."""
    memory = sleep.memory
    if not isinstance(memory, list) or len(memory) < 4:
        return None
    from firmware.repose import REFUSED, SILENT

    known = [value if obey.whole(value, 0, 1 << 31) else 0 for value in memory[:4]]
    for place in (0, 1):
        known[place] = max(0, known[place] - sleep.slept // 1000)
    silent, refused = [
        memory[place] if len(memory) > place and obey.whole(memory[place], 0, 1 << 31) else 0
        for place in (SILENT, REFUSED)
    ]
    return known + [silent + sleep.slept // 1000, refused]


def build(flash: "Flash", version: str, spread: int) -> Driver:
    """The whole unit, ready to run; `version` is the firmware's. Raises IdentityError if a file of provisioning
    is not usable."""
    clock = Clock()
    sleep = Sleep(clock.board)
    me = identity.Identity(flash)
    config = identity.Config(flash)
    # Before anything that takes time: a press while the journal is read, or the TLS keys, is a press.
    button = pins.Contact(WAKE_MS if sleep.woken_by_button() else 0)
    told = boot.detail(flash)
    why = boot.reason(flash, machine)
    safe = boot.safe(flash)
    bare = boot.bare(flash)
    setup = _setup(config, bare)
    crumbs = Crumbs(flash)
    crumbs.drop(breadcrumbs.BOOT, why)
    if why >= reboot.UNKNOWN_ERROR:
        say("before that:", crumbs.previous)
    crumbs.previous = []
    if safe:
        crumbs.drop(breadcrumbs.SAFE_MODE, boot.crashes(flash))
    counters = Counters(flash, os.urandom)
    journal = Journal(flash)
    entries = journal.load(counters.boot)
    _arm(journal, counters.boot)
    kept = Kept(flash)
    known = {name: kept.load(name) for name in _KEPT}
    known["slept"] = _after_sleep(sleep)
    now = clock.now()
    ways = Ways(config, safe)
    ballast = Ballast()
    gauge = Gauge(version, setup.profile.code, why, clock, journal, ballast)
    pipes: "dict[str, Any]" = {}
    unit = Unit(
        counters.boot,
        ways.names,
        setup,
        Means(means.below, gauge.measure, clock.unix, means.bearers(pipes), means.known(flash, journal)),
        Heartbeat(setup.heartbeat, means.below, spread),
        now,
        entries,
        journal.items,
        known,
        _pendants(setup, known["pendants"], now),
        0 if config.modem is None else config.modem[2],
        ways.radios,
        ways.last_resort,
        ways.spare(means.below, now),
        None if safe else _vigil(setup, known["slept"], now),
    )
    supervisor = Supervisor(flash, machine, Watchdog(), crumbs, safe, now)
    driver = Driver(
        unit,
        journal,
        kept,
        Sealer(me, counters, means.sha256, means.ecb),
        clock,
        supervisor,
        ballast,
        Owed(setup.inputs),
        button,
        pins.Outputs(stages.SOUNDS[setup.profile.code]),
        pipes,
    )
    if config.modem is not None:
        policy = obey.policy(known["policy"])
        driver.cellular = gauge.cellular = cellular(
            config, kept, clock, means.below, policy, sleep, driver.on_cellular, safe
        )
    if not bare:
        _attach(driver, setup, gauge, sleep, safe, now)
    if sleep.woken_by_button() and not button.began:
        # However short it was: the contact was open again before the unit could look.
        driver.later(("press", profiles.OWN))
    unit_id = "%08x" % me.unit
    Builder(flash, config, unit_id, clock, means.below, spread, driver).build(ways, driver.cellular)
    for key, text in setup.faults:
        driver.later(("fault", FAULT_CONFIG, str(key) + ": " + text))
    if why >= reboot.UNKNOWN_ERROR:
        code = FAULT_TASK if why in (reboot.SOFTWARE_WATCHDOG, reboot.HARDWARE_WATCHDOG) else FAULT_CRASH
        driver.later(("fault", code, reboot_names.name(why) + (": " + told if told else ""), boot.crashes(flash)))
    say("unit", unit_id, "boot", counters.boot, "open", len(entries), "heap free", gauge.look())
    return driver
