"""Which parts virtual boards lack, as the demo's command line says it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.provision_hand import MissingPartError, missing_parts
from sim.board_rom.power import PARTS


def test_a_board_may_lack_several_parts() -> None:
    assert missing_parts(["2:sim1", "2:lamp", "1:modem"], 2) == {1: ["sim1", "lamp"], 0: ["modem"]}
    assert missing_parts([], 1) == {}


@pytest.mark.parametrize("word", ["3:sim1", "0:sim1", "1:wheel", "sim1", "", "1:", "-1:lamp"])
def test_what_no_board_can_lack_is_refused_with_what_there_is(word: str) -> None:
    with pytest.raises(MissingPartError, match=f"1 to 2, a colon, and one of {', '.join(PARTS)}"):
        missing_parts([word], 2)


@pytest.mark.parametrize("words", [("--without", "2:sim1"), ("--boards", "9", "--page")])
def test_the_command_refuses_in_one_sentence(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, ["provision", "demo", "--boards", "1", *words])
    assert said.exit_code == 1
    assert len(said.stderr.strip().splitlines()) == 1
