"""The hub's radio: what of the air is a pendant's frame."""

import asyncio

import bluetooth
from board_wires import BOARD

from firmware.ports import ble
from firmware.ports.ble import PendantRadio

FRAME = bytes(range(100, 119))
FLAGS = b"\x02\x01\x06"
FIELD = bytes((22, 0xFF, 0xFF, 0xFF)) + FRAME


def heard(advertisements, ms=50):
    """The frames that the radio hands over."""
    seen = []
    radio = PendantRadio(seen.append)

    async def life():
        task = asyncio.create_task(radio.run())
        await asyncio.sleep_ms(10)
        for data in advertisements:
            BOARD.obey(b"R\x00" + data)
        await asyncio.sleep_ms(ms)
        task.cancel()

    asyncio.run(life())
    return radio, seen


def test_a_frame_is_found_wherever_it_stands():
    for data in (FLAGS + FIELD, FIELD, FIELD + b"\x02\x0a\x04", b"\x02\x0a\x04" + FIELD):
        radio, seen = heard([data])
        assert seen == [FRAME], data
        assert radio.up and radio.heard == 1
    assert bluetooth.BLE().scanning == (0, 100000, 20000)


def test_what_is_no_frame_of_ours_is_not_passed_on():
    _, seen = heard(
        [
            b"",
            FLAGS,
            b"\x00" + FIELD,
            FIELD[:-1],
            b"\xff" * 31,
            bytes((22, 0xFF, 0x4C, 0x00)) + FRAME,
            bytes((22, 0x16, 0xFF, 0xFF)) + FRAME,
            bytes((21, 0xFF, 0xFF, 0xFF)) + FRAME[:-1],
            bytes((23, 0xFF, 0xFF, 0xFF)) + FRAME + b"\x00",
            b"\x05" + FIELD[:3],
        ]
    )
    assert seen == []


def test_frames_are_copied_before_the_radio_writes_over_them():
    other = bytes(range(19))
    _, seen = heard([FIELD, bytes((22, 0xFF, 0xFF, 0xFF)) + other])
    assert seen == [FRAME, other]


def test_of_more_than_can_be_kept_the_latest_count():
    frames = [bytes([n]) * 19 for n in range(3 * ble.RING)]
    _, seen = heard([bytes((22, 0xFF, 0xFF, 0xFF)) + frame for frame in frames])
    assert seen == frames[-ble.RING :]


def test_a_radio_that_stops_is_started_again():
    radio, _ = heard([])
    starts = []
    scan = radio._ble.gap_scan

    async def life():
        task = asyncio.create_task(radio.run())
        await asyncio.sleep_ms(10)
        scan(None)
        starts.append(radio._ble.scanning)
        await asyncio.sleep_ms(20)
        starts.append(radio._ble.scanning)
        task.cancel()

    asyncio.run(life())
    assert starts == [None, (0, 100000, 20000)] and radio.up


def test_a_radio_that_will_not_start_is_counted_and_tried_again():
    failed = []
    radio = PendantRadio(lambda frame: None, lambda: failed.append(1))
    radio.again_ms = 20

    class Broken:
        def __init__(self):
            self.tries = 0

        def active(self, on):
            self.tries += 1
            if self.tries < 3:
                raise OSError(5)

        def irq(self, handler):
            return None

        def gap_scan(self, *arguments):
            return None

    radio._ble = Broken()

    async def life():
        task = asyncio.create_task(radio.run())
        await asyncio.sleep_ms(200)
        task.cancel()

    asyncio.run(life())
    assert radio.failures == 2 and radio.up and len(failed) == 2


def test_what_nobody_has_read_yet_is_known():
    radio = PendantRadio(lambda frame: None)
    radio._start()
    assert not radio.pending()
    BOARD.obey(b"R\x00" + FIELD)
    assert radio.pending()
    radio._hand_over()
    assert not radio.pending()
