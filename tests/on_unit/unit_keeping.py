"""The journal's files over updates, damage and long waits; small values; crumbs."""

import gc
import hashlib
import os

from cut_flash import EAGER, LAZY, Cut, CutFlash
from provisioned import provisioned

from firmware import main
from firmware.core import book, obey, records
from firmware.ports import breadcrumbs, journal, past
from firmware.ports.breadcrumbs import MOST, Crumbs
from firmware.ports.kept import Kept, pack
from protocols.wire import cbor, messages

PLENTY = 1 << 30


def sha256(data):
    return hashlib.sha256(data).digest()


def first_format(*written):
    """A journal of version 0.1.0."""
    data = records.frame({0: records.HEADER, 3: 1})
    for record in written:
        data += records.frame(record)
    return data


def loaded(files):
    flash = CutFlash(files, PLENTY)
    one = journal.Journal(flash)
    return one, one.load(), flash


def keys(entries):
    return [(entry.boot, entry.seq) for entry in entries]


def test_a_journal_of_the_first_format_is_read_and_continued():
    data = first_format(records.press(1, 1, 1, 0, 1, 5), records.press(1, 2, 1, 0, 1, 6), records.stage(1, 2, 3))
    one, entries, flash = loaded({"journal": data})
    assert keys(entries) == [(1, 1)]
    assert bytes(flash.files["journal.old"]) == data, "the finished presses stay readable"
    one.append(records.press(2, 1, 1, 0, 1, 7))
    files = [bytes(flash.files["journal.old"]), bytes(flash.files["journal"])]
    last, wrong = records.verify(files, [one.head], sha256)
    assert wrong == [] and last[:8] == one.head
    assert keys(journal.Journal(flash).load()) == [(1, 1), (2, 1)]


def test_no_cut_during_that_update_loses_a_press():
    data = first_format(records.press(1, 1, 1, 0, 1, 5), records.press(1, 2, 1, 0, 1, 6))
    for kind in (EAGER, LAZY):
        _, _, whole = loaded({"journal": data})
        for steps in range(whole.used + 1):
            flash = CutFlash({"journal": data}, steps, kind)
            try:
                journal.Journal(flash).load()
            except Cut:
                pass
            assert keys(journal.Journal(CutFlash(flash.files, PLENTY, kind)).load()) == [(1, 1), (1, 2)], (kind, steps)


def newer_format():
    """What a firmware that is yet to be written might leave: another header, records and fields not known here."""
    data = records.frame({0: records.HEADER, 3: 9, 9: sha256(b"before"), 40: [1, 2]})
    data += records.frame({0: 77, 1: 4, 2: 1, 3: b"unknown"})
    data += records.frame({0: records.PRESS, 1: 4, 2: 2, 3: 1, 4: 0, 5: 1, 6: 5, 60: "more"})
    data += records.frame({0: records.STAGE, 1: 4, 2: 2, 7: 1})
    return data + records.frame(records.item(records.FAULT, 4, 3, b"waits"))


def test_a_journal_of_a_newer_format_is_kept_aside_and_its_presses_go_on():
    data = newer_format()
    one, entries, flash = loaded({"journal": data})
    assert keys(entries) == [(4, 2)] and entries[0].stage == 1
    assert one.items == [(records.FAULT, 4, 3, b"waits")]
    assert bytes(flash.files["journal.newer"]) == data
    one.append(records.press(5, 1, 1, 0, 1, 0))
    assert keys(journal.Journal(flash).load()) == [(4, 2), (5, 1)]


def test_no_cut_while_a_newer_format_is_set_aside_loses_a_press():
    data = newer_format()
    _, _, whole = loaded({"journal": data})
    for steps in range(whole.used + 1):
        flash = CutFlash({"journal": data}, steps)
        try:
            journal.Journal(flash).load()
        except Cut:
            pass
        one = journal.Journal(CutFlash(flash.files, PLENTY))
        assert keys(one.load()) == [(4, 2)] and len(one.items) == 1, steps


def history():
    """A journal with a finished press in each of the boots 1 to 3."""
    one, _, flash = loaded({})
    for boot in (1, 2, 3):
        one.append(records.press(boot, 1, 1, 0, 1, 0))
        one.append(records.stage(boot, 1, 3))
    return bytes(flash.files["journal"])


def knowing(files, boot=4):
    """Which of the presses of boots 1 to 4 a boot knows: the fourth is its own, and was never made."""
    flash = CutFlash(files, PLENTY)
    journal.Journal(flash).load(boot)
    return [past.knows(flash, (number, 1)) for number in (1, 2, 3, boot)], flash


def test_a_press_that_is_not_there_is_denied_only_where_nothing_can_be_missing():
    whole = history()
    for boot in (4, 5):
        known, flash = knowing({"journal": whole}, boot)
        assert known == [True, True, True, False] and past.knows(flash, (2, 7)) is False
        assert sorted(flash.files) == ["journal"], "a sound journal costs no write"
    known, flash = knowing({}, 1)
    assert known[0] is False and sorted(flash.files) == ["journal"], "nor does the first boot of all"
    for wrong in ({}, {"journal": b""}, {"journal": b"no journal"}, {"journal.old": whole[:-3]}):
        known, flash = knowing(wrong)
        assert not [one for one in known[:3] if one is False] and past.knows(flash, (3, 7)) is None, wrong
        assert known[3] is (None if "journal.old" in wrong else False), wrong
        known, _ = knowing(flash.files, 5)
        assert None in known and False not in known[:3], "the next boot still knows that it does not know"
    _, flash = knowing({"journal": newer_format()}, 6)
    assert past.knows(flash, (4, 7)) is None and past.knows(flash, (6, 7)) is False


def test_damage_anywhere_denies_no_press_of_before_wherever_power_is_cut_while_it_is_mended():
    whole = history()
    for at in range(0, len(whole), 11):
        data = whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :]
        known, flash = knowing({"journal": data})
        assert False not in known[:3] and known[3] is False, at
        for steps in range(0, flash.used, 17):
            cut = CutFlash({"journal": data}, steps)
            try:
                journal.Journal(cut).load(4)
            except Cut:
                pass
            assert False not in knowing(cut.files, 5)[0][:3], (at, steps)


class Unreadable(CutFlash):
    """One file cannot be opened, or, if `late`, not be read."""

    def open(self, path, mode):
        if path == self.bad and not self.late:
            raise OSError(5)
        file = CutFlash.open(self, path, mode)
        if path == self.bad:
            file.read = self.fails
        return file

    def fails(self, size=-1):
        raise OSError(5)


def test_what_cannot_be_read_now_denies_nothing():
    whole = history()
    both = {"journal": whole, "journal.old": whole}
    for bad in both:
        for late in (False, True):
            flash = Unreadable(both, PLENTY)
            flash.bad, flash.late = bad, late
            assert past.knows(flash, (9, 1)) is None and past.knows(flash, (2, 1)) is True, (bad, late)
    assert past.knows(CutFlash(both, PLENTY), (9, 1)) is False
    assert past.knows(CutFlash({"journal.old": whole}, PLENTY), (9, 1)) is None, "a rotation that was not finished"
    assert past.knows(CutFlash({"journal": whole, journal.DOUBT: b"damaged"}, PLENTY), (9, 1)) is None
    _, flash = knowing({"journal": whole[:-1], journal.DOUBT: pack(8)})
    assert past.knows(flash, (8, 1)) is None and past.knows(flash, (9, 1)) is False, "a doubt only grows"


def test_a_press_that_flash_has_refused_is_not_denied_after_a_reset():
    whole = history()
    flash = CutFlash({"journal": whole}, PLENTY)
    one = journal.Journal(flash)
    one.load(4)
    flash.broken = True
    try:
        one.append(records.press(4, 1, 1, 0, 1, 0))
    except OSError:
        flash.broken = False
    assert not flash.broken and one.unsure == 4
    assert past.knows(flash, (4, 9), one.unsure) is None
    one.append(records.item(records.FAULT, 4, 2, b"journal refused"))
    assert one.unsure == 0
    known, _ = knowing(flash.files, 5)
    assert known == [True, True, True, False]
    assert past.knows(flash, (4, 1)) is True, "it has come with the next record"
    assert past.knows(flash, (4, 9)) is None and past.knows(flash, (5, 1)) is False


def test_a_unit_that_has_lost_its_journal_but_not_its_counters_answers_no_challenge_about_before():
    flash = provisioned()
    asked = messages.Command(number=1, kind=messages.COMMAND_CHALLENGE, args={1: bytes(8), 2: 1, 3: 7})
    for boot, result in ((1, messages.RESULT_DONE), (2, messages.RESULT_NOT_NOW), (3, messages.RESULT_NOT_NOW)):
        unit = main.build(flash, 0).unit
        assert unit.boot == boot
        kept = [action[2] for action in unit.handle(("command", asked), 0) if action[0] == "keep"]
        assert [value[1:] for value in kept] == [[result, {1: bytes(8), 2: obey.NOT_MINE} if boot == 1 else None]], boot
        if boot == 1:
            os.remove("journal")
        gc.collect()


def test_damage_inside_the_file_costs_only_the_damaged_record():
    book_of, _, flash = loaded({})
    for seq in (1, 2, 3, 4):
        book_of.append(records.press(7, seq, 1, 0, 1, 0))
    whole = bytes(flash.files["journal"])
    size = len(records.frame(records.press(7, 1, 1, 0, 1, 0)))
    for at in range(len(whole)):
        data = whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :]
        one, entries, bad = loaded({"journal": data})
        hit = 0 if at < len(whole) - 4 * size else 1 + (at - (len(whole) - 4 * size)) // size
        assert keys(entries) == [(7, seq) for seq in (1, 2, 3, 4) if seq != hit], at
        if hit < 4:
            assert bytes(bad.files["journal.bad"]) == data, "it is kept for the bench"
        one.append(records.press(8, 1, 1, 0, 1, 0))
        again = journal.Journal(bad)
        assert keys(again.load())[-1] == (8, 1) and again.head == one.head


def test_what_waits_survives_a_restart_until_it_is_consumed():
    one, _, flash = loaded({})
    one.append(records.item(records.LOG, 1, 1, b"log"))
    one.append(records.item(records.FAULT, 1, 2, b"fault"))
    assert journal.Journal(flash).items == []
    again = journal.Journal(flash)
    again.load()
    assert again.items == [(records.LOG, 1, 1, b"log"), (records.FAULT, 1, 2, b"fault")]
    again.append(records.consumed(1, 1))
    last = journal.Journal(flash)
    last.load()
    assert last.items == [(records.FAULT, 1, 2, b"fault")]


def test_a_flood_of_logs_stays_bounded_and_the_journal_says_what_it_dropped():
    before, journal.Journal.rotate = journal.Journal.rotate, 2000
    one, _, flash = loaded({})
    one.append(records.press(1, 1, 1, 0, 1, 0))
    one.append(records.item(records.FAULT, 1, 2, b"fault"))
    for seq in range(10, 310):
        one.append(records.item(records.LOG, 1, seq, b"a log line"))
    again = journal.Journal(flash)
    assert keys(again.load()) == [(1, 1)]
    journal.Journal.rotate = before
    assert len(again.items) == 1 + book.MOST[records.LOG] and again.items[0][3] == b"fault"
    assert again.drops == one.drops == [0, 0, 0, 300 - book.MOST[records.LOG]]
    assert len(flash.files["journal"]) < 2000 + 2 * records.LONGEST


def test_with_more_to_carry_than_a_file_holds_it_is_not_changed_at_every_record():
    before, journal.Journal.rotate = journal.Journal.rotate, 600
    one, _, flash = loaded({})
    for seq in range(1, 61):
        one.append(records.press(1, seq, 1, 0, 1, 0))
    for seq in range(1, 21):
        one.append(records.aged(1, seq, 60))
    old = bytes(flash.files["journal.old"])
    one.append(records.aged(1, 30, 60))
    assert bytes(flash.files["journal.old"]) == old
    assert len(journal.Journal(flash).load()) == 60
    journal.Journal.rotate = before


def test_a_kept_value_is_the_old_one_or_the_new_one_after_a_cut_at_any_step():
    start = CutFlash({}, PLENTY)
    assert Kept(start).load("ladder") is None
    assert Kept(start).save("ladder", {1: 5, 2: [1, b"x"]})
    for kind in (EAGER, LAZY):
        for steps in range(60):
            flash = CutFlash(start.files, steps, kind)
            done = False
            try:
                done = Kept(flash).save("ladder", {1: 6})
            except Cut:
                pass
            value = Kept(CutFlash(flash.files, PLENTY, kind)).load("ladder")
            assert value == {1: 6} or (value == {1: 5, 2: [1, b"x"]} and not done), (steps, value)


def test_a_kept_value_that_is_there_already_costs_no_write():
    flash = CutFlash({}, PLENTY)
    kept = Kept(flash)
    assert kept.save("a", 1)
    used = flash.used
    assert kept.save("a", 1) and Kept(flash).save("a", 1) and flash.used == used
    assert kept.save("a", 2) and flash.used > used


def test_a_damaged_kept_value_is_none():
    flash = CutFlash({}, PLENTY)
    Kept(flash).save("a", [1, 2, 3])
    whole = bytes(flash.files["a.kept"])
    for at in range(len(whole)):
        for data in (whole[:at], whole[:at] + bytes((whole[at] ^ 4,)) + whole[at + 1 :]):
            assert Kept(CutFlash({"a.kept": data}, PLENTY)).load("a") is None, at


def test_flash_that_refuses_a_kept_value_is_counted_and_keeps_the_old_one():
    flash = CutFlash({}, PLENTY)
    kept = Kept(flash)
    kept.save("a", 1)
    flash.broken = True
    assert not kept.save("a", 2) and kept.failures == 1
    flash.broken = False
    assert kept.load("a") == 1


def test_crumbs_of_the_last_boot_are_there_and_the_ring_is_bounded():
    flash = CutFlash({}, PLENTY)
    one = Crumbs(flash)
    assert one.previous == []
    for number in range(1, 100):
        one.drop(2, number)
    assert one.trail() == [(2, number) for number in range(100 - MOST, 100)]
    assert one.save()
    again = Crumbs(flash)
    assert again.previous == one.trail() and again.trail() == []
    again.drop(1, 0x8005)
    assert again.previous == one.trail(), "what was left stays readable in this boot"
    assert again.save() and Crumbs(flash).previous == [(1, 0x8005)]


def test_what_is_rare_is_on_flash_before_anybody_resets():
    flash = CutFlash({}, PLENTY)
    crumbs = Crumbs(flash)
    crumbs.drop(breadcrumbs.BOOT, 7)
    crumbs.keep()
    assert Crumbs(flash).previous == [], "a boot alone writes nothing"
    crumbs.drop(breadcrumbs.SIM_SWITCHED, 1)
    crumbs.keep()
    told = [(breadcrumbs.BOOT, 7), (breadcrumbs.SIM_SWITCHED, 1)]
    assert Crumbs(flash).previous == told
    crumbs.drop(breadcrumbs.PIPE, 1)
    crumbs.keep()
    assert Crumbs(flash).previous == told, "nor what happens all day"


def test_what_the_modem_has_been_through_leaves_crumbs():
    flash = provisioned()
    driver = main.build(flash, 0)

    class Cellular:
        conduct = None
        cuts = 2

    driver.cellular = Cellular()
    driver.cellular.conduct = driver.cellular
    driver.on_cellular(("fault", 8, "modem: hung"))
    driver.on_cellular(("report", messages.EVENT_SIM_CHANGED, {1: 1, 2: 0}))
    driver.on_cellular(("report", messages.EVENT_SIM_PROVEN, {1: 0, 2: 1}))
    assert Crumbs(flash).previous == []
    driver.crumbs.keep()
    wanted = [(breadcrumbs.MODEM_RESET, 2), (breadcrumbs.SIM_SWITCHED, 1)]
    assert [one for one in Crumbs(flash).previous if one[0] != breadcrumbs.BOOT] == wanted


def test_crumbs_that_are_damaged_are_none():
    for value in (7, [[1]], [["a", 1]], [[1, 2, 3]], {1: 2}):
        flash = CutFlash({}, PLENTY)
        Kept(flash).save("crumbs", value)
        assert Crumbs(flash).previous == []
    assert Crumbs(CutFlash({"crumbs.kept": cbor.encode([])}, PLENTY)).previous == []
