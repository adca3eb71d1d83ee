"""Who sits at the bench where the boards are virtual: a finger, an eye, an ear, and parts that are missing at first.

It stands in for a person at the terminal, or beside one at the page: then it only presses, and the person answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from livlina.provision_page import PageScreen
from sim.board_rom.bench import VirtualBench
from sim.board_rom.power import PARTS, PowerError

SENSES_S = 30.0
"""How long it looks, feels and listens, on a machine that is busy with other things."""


class MissingPartError(ValueError):
    """No such part, or no such board; the message says which there are."""


def missing_parts(words: Sequence[str], boards: int) -> dict[int, list[str]]:
    """`2:sim1` as the part that the second board lacks. Raises MissingPartError."""
    found: dict[int, list[str]] = {}
    for word in words:
        number, _, part = word.partition(":")
        if not number.isdecimal() or not 1 <= int(number) <= boards or part not in PARTS:
            raise MissingPartError(
                f"{word!r} is no missing part: 1 to {boards}, a colon, and one of {', '.join(PARTS)}"
            )
        found.setdefault(int(number) - 1, []).append(part)
    return found


class Hand:
    """livlina.provision_run.Screen for virtual boards; `failures` are the faults that each board has had, by its index.

    `missing` are taken off before the first try and put back when a board has failed for the want of them.
    """

    def __init__(
        self, bench: VirtualBench, say: Callable[[str], None], missing: Mapping[int, Sequence[str]],
        page: PageScreen | None = None,
    ) -> None:  # fmt: skip
        self.failures: dict[int, list[str]] = {}
        self._bench = bench
        self._say = say
        self._missing = {board: list(parts) for board, parts in missing.items()}
        self._page = page
        for board, parts in self._missing.items():
            for part in parts:
                bench.fit(board, part, there=False)

    def step(self, port: str, mac: str, name: str, state: str) -> None:
        """See Screen."""
        if state == "begin":
            self._say(f"{mac}  {name}")
        if self._page is not None:
            self._page.step(port, mac, name, state)

    def begin(self, port: str) -> None:
        """See PageScreen."""
        if self._page is not None:
            self._page.begin(port)

    def press(self, port: str) -> None:
        """See Screen."""
        if self._page is not None:
            self._page.press(port)
        try:
            self._bench.press(self._number(port))
        except PowerError as error:
            self._say(str(error))

    def look(self, port: str, part: str) -> bool | None:
        """See Screen."""
        if self._page is not None:
            return self._page.look(port, part)
        number = self._number(port)
        try:
            if part == "lamp":
                self._bench.wait_lamp(number, "stored", SENSES_S)
            else:
                self._bench.wait_moved(number, part, SENSES_S)
        except PowerError:
            return False
        return True

    def end(self, port: str, result: Mapping[str, Any]) -> None:
        """See Screen."""
        number = self._number(port)
        if not result["passed"]:
            self.failures.setdefault(number, []).append(str(result["fault"]))
            for part in self._missing.pop(number, []):
                self._say(f"{port}: failed for {result['fault']}; its {part} is put back")
                self._bench.fit(number, part, there=True)
        if self._page is not None:
            self._page.end(port, result)

    def lacks(self, number: int) -> bool:
        """Whether a board is still without its part."""
        return number in self._missing

    def _number(self, port: str) -> int:
        return self._bench.addresses.index(port)
