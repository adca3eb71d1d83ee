"""What the firmware's writing costs the flash: `micropython flash_wear.py` prints programs and erases per press and per
heartbeat on a LittleFS of a unit's size, and the years that this leaves at one heartbeat in 5 minutes.

Counted at the block device under a real VfsLfs2. The years take 100,000 erases per 4 KiB sector (data sheet of the
Winbond W25Q32JV, "min. 100K program-erase cycles per sector") spread over all blocks: LittleFS moves every pair of
metadata blocks on after 100 erases (block_cycles in MicroPython's vfs_lfs.c).
"""

import os

import vfs
from ram_flash import Mounted, RamFlash

from firmware import boot
from firmware.core import records
from firmware.ports import journal
from firmware.ports.counters import Counters
from firmware.ports.flash import Flash
from protocols.wire import cbor

BLOCKS = 128  # 512 KiB
CYCLES = 100000
PRESSES = 400
HEARTBEATS = 6400
A_YEAR = 365 * 24 * 12
PRESSES_A_DAY = 10


class Board:
    def reset_cause(self):
        return 4  # out of deep sleep


def measured(device, work, times):
    """(programs, bytes, erases) of `times` calls, each per thousand calls."""
    device.programs = device.programmed = device.erases = 0
    for number in range(times):
        work(number)
    return [count * 1000 // times for count in (device.programs, device.programmed, device.erases)]


def told(name, cost):
    print(
        "%s: %d.%03d programs, %d bytes, %d.%03d erases"
        % (name, cost[0] // 1000, cost[0] % 1000, cost[1] // 1000, cost[2] // 1000, cost[2] % 1000)
    )


def main():
    device = RamFlash(BLOCKS)
    vfs.VfsLfs2.mkfs(device)
    where = Mounted(device, vfs.VfsLfs2)
    flash = Flash()
    flash.replace("counters", cbor.encode({1: 0, 2: 0}))
    counters = Counters(flash, os.urandom)
    book = journal.Journal(flash)
    book.load()

    def press(number):
        book.append(records.press(counters.boot, number + 1, 1, 0, 1, 1700000001))
        counters.take()
        for stage in (1, 2, 3):
            book.append(records.stage(counters.boot, number + 1, stage))

    a_press = measured(device, press, PRESSES)
    told("a press with its three stages", a_press)
    a_heartbeat = measured(device, lambda number: counters.take(), HEARTBEATS)
    told("a heartbeat", a_heartbeat)
    book._close()

    def start(number):
        boot.reason(flash, Board())
        Counters(flash, os.urandom)
        one = journal.Journal(flash)
        one.load()
        one._close()

    told("a boot", measured(device, start, 100))
    a_year = (a_heartbeat[2] * A_YEAR + a_press[2] * PRESSES_A_DAY * 365) // 1000
    print(
        "%d erases a year at a heartbeat every 5 minutes and %d presses a day: %d years on %d blocks of %d erases"
        % (a_year, PRESSES_A_DAY, BLOCKS * CYCLES // a_year, BLOCKS, CYCLES)
    )
    where.away()
