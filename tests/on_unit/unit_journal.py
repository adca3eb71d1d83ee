"""The journal under power cuts at every byte, torn tails, and flash that refuses."""

import gc
import os

from cut_flash import EAGER, FAT, LAZY, LIAR, Cut, CutFlash

from firmware.core import records
from firmware.ports import journal
from firmware.ports.flash import Flash

PRESSES = 6
EVERY = int(os.getenv("TEST_EVERY") or "1")
"""Every how manyth byte the power is cut at; at every change of a name in any case."""
journal.Journal.rotate = 260  # so that a short life sees files change several times


def live(flash, first, promised):
    """A life of presses and stages; `promised` learns what `append` has acknowledged."""
    book = journal.Journal(flash)
    book.load()
    for seq in range(first, first + PRESSES):
        book.append(records.press(1, seq, 1, 0, 1, 1700000001))
        promised[seq] = 0
        for stage in (1, 2, 3):
            # Every third press stays open, every other one is taken.
            if stage < 3 or seq % 3:
                book.append(records.stage(1, seq, stage))
                promised[seq] = stage
    return flash.used


def cuts(flash):
    """The steps to cut a life at, of which this flash has seen all."""
    near = [step + more for step in flash.names for more in (0, 1)]
    return [step for step in range(flash.used) if step % EVERY == 0 or step in near]


def found(flash):
    """{seq: stage} of the open presses after a restart."""
    return {entry.seq: entry.stage for entry in journal.Journal(flash).load()}


def attempt(flash, first, promised):
    try:
        live(flash, first, promised)
    except Cut:
        pass


def kept(files, kind, promised):
    """How many acknowledged presses a restart does not find, the finished ones not counted."""
    there = found(CutFlash(files, 1 << 30, kind))
    return len([seq for seq in promised if promised[seq] < 3 and there.get(seq, -1) < promised[seq]])


def broken_promises(kind):
    """Cut at every step, restart, live on behind whatever the cut has left, and count promises broken on the way."""
    whole = CutFlash({}, 1 << 30, kind)
    live(whole, 1, {})
    lost = 0
    for steps in cuts(whole):
        flash = CutFlash({}, steps, kind)
        promised = {}
        attempt(flash, 1, promised)
        lost += kept(flash.files, kind, promised)
        after = CutFlash(flash.files, 1 << 30, kind)
        live(after, 100, promised)
        lost += kept(after.files, kind, promised)
    print(len(cuts(whole)), "cuts in", whole.used, "steps,", lost, "promises broken")
    return lost


def broken_in_recovery(kind):
    """A second cut at every step of the clearing up after the first; the first at every 19th step."""
    lost = 0
    for steps in range(0, live(CutFlash({}, 1 << 30, kind), 1, {}), 19):
        flash = CutFlash({}, steps, kind)
        promised = {}
        attempt(flash, 1, promised)
        mending = CutFlash(flash.files, 1 << 30, kind)
        journal.Journal(mending).load()
        ends = cuts(mending)
        ends.append(mending.used)
        for more in ends:
            second = CutFlash(flash.files, more, kind)
            attempt(second, 100, promised)
            lost += kept(second.files, kind, promised)
            promised = {seq: promised[seq] for seq in promised if seq < 100}
    return lost


def test_no_cut_loses_an_acknowledged_press():
    assert broken_promises(EAGER) == 0


def test_no_cut_loses_an_acknowledged_press_when_writes_wait_for_flush():
    assert broken_promises(LAZY) == 0


def test_no_second_cut_loses_one_while_the_first_is_cleared_up():
    assert broken_in_recovery(EAGER) == 0
    assert broken_in_recovery(LAZY) == 0


def test_negative_control_a_flush_that_keeps_nothing_loses_presses():
    assert broken_promises(LIAR) > 0


def test_negative_control_a_rename_in_two_steps_loses_presses():
    assert broken_in_recovery(FAT) > 0


def test_a_torn_tail_of_any_length_and_content_is_cut_off():
    flash = CutFlash({}, 1 << 30)
    book = journal.Journal(flash)
    book.load()
    for seq in (1, 2, 3):
        book.append(records.press(7, seq, 1, 0, 1, 1700000001))
    whole = bytes(flash.files["journal"])
    last = len(records.frame(records.press(7, 3, 1, 0, 1, 1700000001)))
    for kept in range(last):
        for tail in (b"", b"\xff" * 5, b"\x00" * 40):
            torn = CutFlash({"journal": whole[: len(whole) - last + kept] + (tail if kept else b"")}, 1 << 30)
            book = journal.Journal(torn)
            assert [entry.seq for entry in book.load()] == [1, 2], (kept, tail)
            book.append(records.press(8, 1, 1, 0, 1, 0))
            assert [(e.boot, e.seq) for e in journal.Journal(torn).load()] == [(7, 1), (7, 2), (8, 1)]


def test_flash_that_refuses_is_reported_and_the_next_write_heals():
    flash = CutFlash({}, 1 << 30)
    book = journal.Journal(flash)
    book.load()
    book.append(records.press(1, 1, 1, 0, 1, 0))
    flash.broken = True
    try:
        book.append(records.press(1, 2, 1, 0, 1, 0))
    except OSError:
        flash.broken = False
    assert not flash.broken and book.failures == 4, "the press, that it may be missing, its torn tail, and a new file"
    book.append(records.press(1, 3, 1, 0, 1, 0))
    assert [entry.seq for entry in journal.Journal(flash).load()] == [1, 2, 3]


def test_a_press_that_flash_refuses_at_first_is_on_flash_as_soon_as_flash_takes_anything():
    for times in range(1, 9):
        flash = CutFlash({}, 1 << 30)
        book = journal.Journal(flash)
        book.load(7)
        book.append(records.press(7, 1, 1, 0, 1, 0))
        flash.refuses = times
        told = 0
        for record in (records.press(7, 2, 1, 0, 1, 0), records.aged(7, 1, 60), records.aged(7, 1, 120)):
            try:
                book.append(record)
            except OSError:
                told += 1
        assert told and flash.refuses == 0
        again = journal.Journal(CutFlash(flash.files, 1 << 30))
        assert {one.seq: one.age for one in again.load(8)} == {1: 120, 2: 0}, times
        assert journal.doubtful(flash) == 7, "what was over before may have gone with the file before it"


def test_a_file_that_is_no_journal_is_set_aside():
    flash = CutFlash({"journal": b"something else entirely"}, 1 << 30)
    book = journal.Journal(flash)
    assert book.load() == []
    assert bytes(flash.files["journal.bad"]) == b"something else entirely"
    book.append(records.press(1, 1, 1, 0, 1, 0))
    assert len(journal.Journal(flash).load()) == 1


def test_the_last_256_finished_presses_stay_and_the_files_stay_bounded():
    # On real files: a heap of a unit does not hold two whole journals.
    os.chdir(os.getenv("TEST_FLASH"))
    before, journal.Journal.rotate = journal.Journal.rotate, 24 * 1024
    book = journal.Journal(Flash())
    assert book.load() == []
    presses = 700
    for seq in range(1, presses + 1):
        book.append(records.press(1 << 20, seq, 1, 0, 1, 1700000001))
        for stage in (1, 2, 3):
            book.append(records.stage(1 << 20, seq, stage))
    journal.Journal.rotate = before
    finished = set()
    for name in ("journal.old", "journal"):
        assert os.stat(name)[6] < 24 * 1024 + records.LONGEST
        with open(name, "rb") as file:
            found = records.unframe(file.read)
            while found is not None:
                if found[0].get(records.REACHED) == 3:
                    finished.add(found[0][records.SEQ])
                found = records.unframe(file.read)
    assert set(range(presses - 255, presses + 1)) <= finished
    assert len(finished) < presses


def test_a_new_file_needs_no_room_for_all_that_it_begins_with():
    os.chdir(os.getenv("TEST_FLASH"))
    book = journal.Journal(Flash())
    assert book.load() == []
    before, journal.Journal.rotate = journal.Journal.rotate, 24 * 1024
    for seq in range(1, 33):
        book.append(records.press(1 << 20, seq, 1, 0, 1, 1700000001))
    for seq in range(33, 57):
        book.append(records.item(records.FAULT, 1 << 20, seq, bytes(120)))
    journal.Journal.rotate = before
    left = 6144
    gc.collect()
    held = []
    while gc.mem_free() > left + 1024:
        held.append(bytearray(512))
    book._rotate()
    held.clear()
    found = len(journal.Journal(Flash()).load())
    for name in os.listdir():
        os.remove(name)
    assert found == 32
