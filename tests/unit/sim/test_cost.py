"""What a unit costs on this machine, printed; and that one which has nothing to do costs no processor time."""

import asyncio
import re
from pathlib import Path

import psutil
import pytest

UNITS = 50
SECONDS = 10


def pss_kb(pid):
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return int(found[1])


def cpu_s(pids):
    total = 0.0
    for pid in pids:
        times = psutil.Process(pid).cpu_times()
        total += times.user + times.system
    return total


@pytest.mark.proof
def test_idle_units_on_tls_cost_no_time(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.mqtt()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await fleet.start(street.folders)
        up = loop.time() - began
        await far.until(lambda: all(far.heartbeats(unit) for unit in street.folders), timeout=120)
        heard = loop.time() - began
        pids = list(fleet.pids().values())
        before = cpu_s(pids)
        await asyncio.sleep(SECONDS)  # the span that is measured
        spent = cpu_s(pids) - before
        heap = street.console().split()[-1]
        print(
            f"{UNITS} units: up in {up:.1f} s, all heard in {heard:.1f} s; idle {spent:.2f} s of processor in {SECONDS}"
            f" s; {sum(map(pss_kb, pids)) // UNITS} kB each; heap free at boot {heap}"
        )
        # A stream that is polled every millisecond takes 1.5 % of a core: 7.5 s here.
        assert spent < 0.02 * SECONDS * UNITS / 10

    on_street(scenario, pipes=("mqtt",), count=UNITS, heartbeat_s=60)
