"""The journal's bytes and their hash chain: what a reader takes, and that every change of the past is found."""

import hashlib

from firmware.core import records


def sha256(data):
    return hashlib.sha256(data).digest()


def chained(previous, written):
    """(bytes, heads) of a file that begins after the head `previous`."""
    data = b""
    told = []
    head = previous
    for record in [records.header(previous)] + written:
        head = records.link(head, record, sha256)
        data += records.frame(record)
        told.append(head)
    return data, told


def two_files():
    first, told = chained(records.GENESIS, [records.press(1, seq, 1, 0, 1, 1700000000 + seq) for seq in range(1, 9)])
    second, more = chained(told[-1], [records.stage(1, seq, 3) for seq in range(1, 9)])
    return first, second, told + more


def sound(files, known):
    return records.verify(files, known, sha256)[1] == []


def test_a_whole_chain_verifies_and_gives_its_head():
    first, second, told = two_files()
    last, wrong = records.verify([first, second], [told[2][:8], told[8], told[-1][:8]], sha256)
    assert wrong == [] and last == told[-1]
    assert records.verify([], [], sha256) == (b"", [])


def test_a_file_that_does_not_continue_the_one_before_it_is_found():
    first, second, _ = two_files()
    other, _ = chained(sha256(b"other"), [records.stage(1, 1, 3)])
    assert records.verify([first, other], [], sha256)[1] == [(1, 0, "does not continue the file before it")]
    assert not sound([second, first], [])


def test_bytes_that_are_no_record_are_named_by_their_place():
    first, _, _ = two_files()
    assert records.verify([first + b"\x00\x01"], [], sha256)[1] == [(0, len(first), "no record")]
    assert records.verify([b"not a journal"], [], sha256)[1] == [(0, 0, "no record")]


def changed(data, number):
    """One way to change a file: a byte, a cut, a record left out, swapped, doubled, or changed with its CRC."""
    at = number * 7919 % len(data)
    way = number % 6
    if way == 0:
        return data[:at] + bytes((data[at] ^ 1 << number % 8,)) + data[at + 1 :]
    if way == 1:
        return data[:at]
    frames = []
    reader = records.Reader(data)
    found = records.unframe(reader.read)
    while found is not None:
        frames.append(found[0])
        found = records.unframe(reader.read)
    place = 1 + number % (len(frames) - 2)
    if way == 2:
        frames.pop(place)
    elif way == 3:
        frames[place], frames[place + 1] = frames[place + 1], frames[place]
    elif way == 4:
        frames.insert(place, frames[place])
    else:
        frames[place] = dict(frames[place])
        frames[place][records.SEQ] = 77
    return b"".join([records.frame(record) for record in frames])


def test_every_change_before_a_head_that_was_told_is_found():
    first, second, told = two_files()
    known = [told[-1][:8]]
    missed = 0
    for number in range(600):
        missed += sound([changed(first, number), second], known)
        missed += sound([first, changed(second, number)], known)
    assert missed == 0


def test_a_past_that_was_written_anew_throughout_is_found_by_the_told_head_alone():
    _, _, told = two_files()
    forged, heads = chained(records.GENESIS, [records.press(1, seq, 1, 0, 1, 1) for seq in range(1, 9)])
    rest, _ = chained(heads[-1], [records.stage(1, seq, 3) for seq in range(1, 9)])
    assert sound([forged, rest], []), "negative control: without a told head nothing shows"
    assert not sound([forged, rest], [told[3][:8]])


def test_a_file_of_the_format_before_the_chain_has_a_head_too():
    data = records.frame({0: records.HEADER, 3: 1}) + records.frame(records.press(1, 1, 1, 0, 1, 0))
    last, wrong = records.verify([data], [], sha256)
    assert wrong == [] and len(last) == 32
    after, _ = chained(last, [])
    assert sound([data, after], [])


def test_an_item_has_bounds():
    assert records.item(0, 1, 1, bytes(480))[records.BODY] == bytes(480)
    assert len(records.frame(records.item(3, 0xFFFFFFFF, 0xFFFFFFFF, bytes(480)))) <= records.LONGEST
    for priority, size in ((0, 481), (4, 1), (-1, 1)):
        try:
            records.item(priority, 1, 1, bytes(size))
        except ValueError:
            continue
        raise AssertionError((priority, size))
