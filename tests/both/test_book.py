"""What a journal's records mean together: open presses, what waits, and what had to go."""

from firmware.core import records
from firmware.core.book import MOST, ROOM, Book


def admitted(book, record):
    """Admit and apply; the types of the records written."""
    written = book.admit(record)
    for one in written:
        book.fold(one)
    return [one[records.TYPE] for one in written]


def item(priority, seq, size=8):
    return records.item(priority, 1, seq, bytes([seq & 0xFF]) * size)


def waiting(book):
    return [(one.priority, one.key[1]) for one in book.items]


def test_an_item_waits_until_it_is_consumed_and_only_that_one():
    book = Book()
    for seq in (1, 2, 3):
        admitted(book, item(records.FAULT, seq))
    book.fold(records.consumed(1, 2))
    book.fold(records.consumed(9, 9))
    assert waiting(book) == [(1, 1), (1, 3)] and book.drops == [0, 0, 0, 0]
    assert book.items[0].body == b"\x01" * 8


def test_when_a_priority_is_full_its_oldest_goes_and_is_counted():
    for priority in (records.FAULT, records.HEARTBEAT, records.LOG):
        book = Book()
        for seq in range(1, MOST[priority] + 1):
            assert admitted(book, item(priority, seq)) == [records.ITEM]
        assert admitted(book, item(priority, 500)) == [records.DROPPED, records.ITEM]
        assert waiting(book)[0] == (priority, 2) and waiting(book)[-1] == (priority, 500)
        assert book.drops[priority] == 1 and sum(book.drops) == 1


def test_room_is_made_by_log_then_heartbeat_then_fault():
    book = Book()
    quarter = ROOM // 10
    for seq, priority in enumerate((records.FAULT, records.HEARTBEAT, records.LOG, records.FAULT, records.LOG) * 2):
        admitted(book, item(priority, seq + 1, quarter))
    gone = []
    for seq in range(100, 109):
        before = waiting(book)
        admitted(book, item(records.FAULT, seq, quarter))
        gone += [one for one in before if one not in waiting(book)]
    assert [priority for priority, _ in gone] == [3, 3, 3, 3, 2, 2, 1, 1, 1]
    assert gone[:2] == [(3, 3), (3, 5)], "the oldest first"
    assert book.drops == [0, 3, 2, 4]


def test_what_is_less_urgent_pushes_nothing_out_and_is_dropped_itself():
    book = Book()
    for seq in range(1, 11):
        admitted(book, item(records.FAULT, seq, ROOM // 10))
    before = waiting(book)
    assert admitted(book, item(records.LOG, 50, 40)) == [records.DROPPED]
    assert waiting(book) == before and book.drops == [0, 0, 0, 1]


def test_nothing_urgent_is_ever_dropped():
    book = Book()
    for seq in range(1, 101):
        assert admitted(book, item(records.ALARM, seq, 60)) == [records.ITEM]
    for seq in range(1000, 1064):
        assert admitted(book, records.press(2, seq, 1, 0, 1, 0)) == [records.PRESS]
        admitted(book, item(records.FAULT, seq, 100))
    assert len([one for one in book.items if one.priority == records.ALARM]) == 100
    assert len(book.entries) == 64 and book.drops[records.ALARM] == 0


def test_what_is_carried_into_a_new_file_means_the_same():
    book = Book()
    for record in (
        records.press(1, 1, 1, 0, 2, 1700000000),
        records.stage(1, 1, 2),
        records.press(1, 2, 1, 0, 1, 1700000000),
        records.stage(1, 2, 3),
        records.aged(1, 1, 240),
        item(records.LOG, 7),
        item(records.FAULT, 8),
        records.dropped(1, 6, records.LOG),
    ):
        book.fold(record)
    again = Book()
    for record in book.carried(bytes(32)):
        again.fold(record)
    assert again.drops == [0, 0, 0, 1] and waiting(again) == waiting(book) == [(3, 7), (1, 8)]
    assert sorted(again.entries) == [(1, 1)]
    entry = again.entries[(1, 1)]
    assert (entry.stage, entry.age, entry.count) == (2, 240, 2)


def test_records_that_nobody_here_wrote_change_nothing():
    book = Book()
    book.fold(records.press(1, 1, 1, 0, 1, 0))
    for record in (
        {0: 99, 1: 1, 2: 1},
        {0: records.STAGE, 1: 1, 2: 1, records.REACHED: [3]},
        {0: records.COUNTED, 1: 1, 2: 1, records.COUNT: None},
        {0: records.PRESS, 1: "1", 2: 1},
        {0: records.ITEM, 1: 1, 2: 5, records.PRIORITY: 7, records.BODY: b""},
        {0: records.ITEM, 1: 1, 2: 5, records.PRIORITY: 1},
        {0: records.DROPPED, 1: 1, 2: 5, records.PRIORITY: 9},
        {0: records.HEADER, records.KIND: 9, records.DROPS: [1, 2]},
        {0: records.HEADER, records.KIND: 9, records.DROPS: "1234"},
    ):
        book.fold(record)
    assert sorted(book.entries) == [(1, 1)] and book.entries[(1, 1)].stage == 0
    assert book.items == [] and book.drops == [0, 0, 0, 0]
