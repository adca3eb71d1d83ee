"""The modem's line where memory fails."""

import asyncio

from firmware.ports import uart


class Line:
    """A stream's reader that has something to say, and memory for pieces of so many octets at most."""

    def __init__(self, said, room):
        self.said = said
        self.room = room
        self.asked = 0

    async def read(self, size):
        self.asked += 1
        if size > self.room:
            raise MemoryError
        piece, self.said = self.said[:size], self.said[size:]
        return piece


def test_a_line_is_read_in_short_pieces_while_there_are_no_long_ones():
    one = uart.Uart(open("/dev/null", "rb"))
    line = one._reader = Line(bytes(range(100)), uart.SHORT)

    async def heard():
        got = b""
        while len(got) < 100 and line.asked < 20:
            try:
                got += await one.read()
            except MemoryError:
                # As the modem's driver does it.
                pass
        return got

    assert asyncio.run(heard()) == bytes(range(100))
    line.room, line.said = uart.CHUNK, bytes(200)
    assert len(asyncio.run(one.read())) == 200 and one.read_bytes == 300, "and in long ones as before"
