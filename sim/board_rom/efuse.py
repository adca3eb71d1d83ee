"""The eFuse controller: bits that go from 0 to 1 once, and the two masks that end writing and reading.

Its registers are those of `chip.EfuseLayout`. Reading shows the copy that the last read command (or the reset) made, in
which blocks that are protected from reading are zeros. The Reed-Solomon words that a tool writes beside its data are
taken and not judged: a real ESP32-S3 would count errors in a block whose words are wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.board_rom.chip import EfuseLayout

WRITE_CODE = 0x5A5A
READ_CODE = 0x5AA5
_PROGRAM = 2
_READ = 1
_WORD = 0xFFFFFFFF


class EfuseController:
    """`blocks` is what is burnt, by block and word; `save` is called with it before a burn counts as done."""

    def __init__(self, layout: EfuseLayout, blocks: list[list[int]], save: Callable[[list[list[int]]], None]) -> None:
        self._layout = layout
        self._burnt = blocks
        self._save = save
        self._registers: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """As after power-on: the registers are empty and the copy is fresh."""
        self._registers = {}
        self._show()

    def covers(self, address: int) -> bool:
        """Whether an address is one of the controller's."""
        return 0 <= address - self._layout.base < self._layout.size

    def read(self, address: int) -> int:
        """One register."""
        offset = address - self._layout.base
        return self._shown.get(offset, self._registers.get(offset, 0))

    def write(self, address: int, value: int) -> None:
        """Write one register; a command is done when this returns."""
        offset = address - self._layout.base
        if offset in self._shown:
            return
        self._registers[offset] = value & _WORD
        if offset == self._layout.command:
            self._obey(value)
            self._registers[offset] = 0

    def word(self, block: int, index: int) -> int:
        """One burnt word, whether it may be read or not: what the chip itself sees."""
        return self._burnt[block][index]

    def _obey(self, command: int) -> None:
        code = self._registers.get(self._layout.conf, 0)
        if command & 3 == _PROGRAM and code == WRITE_CODE:
            chosen = [command >> 2 & 0xF] if self._layout.by_block else range(len(self._layout.blocks))
            for number in chosen:
                if number < len(self._burnt):
                    self._burn(number)
            self._save(self._burnt)
        elif command & 3 == _READ and code == READ_CODE:
            self._show()

    def _mask(self, place: tuple[int, int, int]) -> int:
        word, shift, width = place
        return self._burnt[0][word] >> shift & ((1 << width) - 1)

    def _burn(self, number: int) -> None:
        block = self._layout.blocks[number]
        closed = self._mask(self._layout.write_disable)
        for index in range(block.words):
            value = self._registers.pop(block.write + 4 * index, 0)
            if block.write_bit is not None and closed >> block.write_bit & 1:
                continue
            if number == 0:
                for field in self._layout.fields:
                    if field.word == index and closed >> field.write_bit & 1:
                        value &= ~(((1 << field.width) - 1) << field.shift)
            self._burnt[number][index] |= value

    def _show(self) -> None:
        hidden = self._mask(self._layout.read_disable)
        self._shown = {}
        for block, words in zip(self._layout.blocks, self._burnt, strict=True):
            secret = block.read_bit is not None and hidden >> block.read_bit & 1
            for index, word in enumerate(words):
                self._shown[block.read + 4 * index] = 0 if secret else word
