"""The commands of an installation, as an administrator types them, on an embedded database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import shipped
from livlina.cli import app
from protocols.wire import cbor


class CommandLine:
    """Runs ``livlina`` with a data folder of its own: a process each, or `here`, where only what it says matters."""

    def __init__(self, data: Path, *, here: bool = False) -> None:
        self._environment = {"LIVLINA_DATA": str(data), "LIVLINA_DATABASE_URL": ""}
        self._here = here

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        if self._here:
            said = CliRunner(env={**self._environment, **more}).invoke(app, words)
            if said.exception is not None and not isinstance(said.exception, SystemExit):
                raise said.exception
            return subprocess.CompletedProcess(words, said.exit_code, said.stdout, said.stderr)
        return subprocess.run(
            [sys.executable, "-m", "livlina", *words],
            capture_output=True, text=True, timeout=400, check=False, env={**os.environ, **self._environment, **more},
        )  # fmt: skip

    def json(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def refused(self, *words: str, **more: str) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def livlina(data_folder: Path) -> CommandLine:
    return CommandLine(data_folder)


def test_an_installation_is_set_up_by_commands(livlina: CommandLine, data_folder: Path) -> None:
    assert livlina.json("migrate")["applied"] == [migration.name for migration in shipped()]
    assert livlina.json("migrate")["applied"] == []
    assert livlina.json("municipality", "add", "1290", "Kristianstad") == {"municipality": 1290, "name": "Kristianstad"}
    for typed, allowed in (("no", False), ("yes", True)):
        assert livlina.json("municipality", "positions", "1290", typed) == {"municipality": 1290, "positions": allowed}
    made = livlina.json("operator", "add", "anna", "--municipality", "1290")
    assert len(made["password"]) >= 16
    assert livlina.json("centre", "add", "A", "--to", "127.0.0.1:9999", "--municipality", "1290")["protocol"] == "dc09"
    flash = data_folder / "flash"
    unit = livlina.json("unit", "add", "--municipality", "1290", "--type", "personal", "--flash", str(flash))
    assert unit["unit"] == "00000001"
    identity = cbor.decode((flash / "identity.cbor").read_bytes())
    assert identity[1] == 1
    assert len(identity[3]) == 16
    assert identity[3].hex() not in json.dumps(unit), "a secret on the terminal"

    assert "unknown" in livlina.refused("unit", "add", "--municipality", "9", "--flash", str(data_folder / "b"))
    assert "not empty" in livlina.refused("unit", "add", "--municipality", "1290", "--flash", str(flash))
    taken = ("unit", "add", "--municipality", "1290", "--number", "1", "--flash", str(data_folder / "c"))
    assert "registered already" in livlina.refused(*taken)
    assert "livlina municipality add" in livlina.refused("operator", "add", "bo", "--municipality", "9")
    assert "livlina municipality add" in livlina.refused("municipality", "positions", "9", "no")
    assert "HOST:PORT" in livlina.refused("centre", "add", "B", "--to", "nowhere", "--municipality", "1290")
    assert "no unit type" in livlina.refused(
        "unit", "add", "--municipality", "1290", "--type", "toaster", "--flash", str(data_folder / "d")
    )


def test_what_is_typed_wrong_is_one_sentence_and_changes_nothing(running_database: Path) -> None:
    livlina, data_folder = CommandLine(running_database, here=True), running_database
    livlina.json("municipality", "add", "1", "Å-stad")
    for name in ("", " ", "two\nlines", "\x1b[31mred", "x" * 101):
        assert "is no name" in livlina.refused("municipality", "add", "2", name)
        assert "is no name" in livlina.refused("centre", "add", name, "--to", "127.0.0.1:9", "--municipality", "1")
    assert "unknown" in livlina.refused("operator", "add", "bo", "--municipality", "2")
    for address in ("a b:1", "host\n:1", "::1:9", "[[::1]:9", "[::1:9", "host:0", "host:٩", "x" * 300 + ":1"):
        assert "address" in livlina.refused("centre", "add", "A", "--to", address, "--municipality", "1")
    assert livlina.json("centre", "add", "A", "--to", "[::1]:9", "--municipality", "1")["centre"] >= 1
    for login in ("", "Anna", "a b", 'a"b', "x" * 65):
        assert "no log-in name" in livlina.refused("operator", "add", login, "--municipality", "1")
    (data_folder / "file").touch()
    assert "no folder" in livlina.refused("unit", "add", "--municipality", "1", "--flash", str(data_folder / "file"))
    highest = str(0xFFFFFFFF)
    livlina.json("unit", "add", "--municipality", "1", "--number", highest, "--flash", str(data_folder / "a"))
    assert "--number" in livlina.refused("unit", "add", "--municipality", "1", "--flash", str(data_folder / "b"))
    assert not (data_folder / "b").exists()
    for number in ("2147483648", "0", "٣", "1e3"):
        assert livlina.run("municipality", "add", number, "x").returncode == 2


def test_an_address_of_a_database_that_cannot_be_read_is_not_repeated(livlina: CommandLine) -> None:
    for address in ("mysql://u:geheim@h/d", "postgresql:///?geheim=1"):
        said = livlina.refused("migrate", LIVLINA_DATABASE_URL=address)
        assert "LIVLINA_DATABASE_URL cannot be read" in said
        assert "geheim" not in said
    assert "does not answer" in livlina.refused("migrate", LIVLINA_DATABASE_URL="postgresql://u:geheim@127.0.0.1:1/d")


def test_a_database_of_ones_own_with_two_logins(livlina: CommandLine, data_folder: Path) -> None:
    postgres = EmbeddedPostgres(data_folder / "own")
    postgres.start()
    try:
        app = {"LIVLINA_DATABASE_URL": postgres.app_url}
        assert "LIVLINA_OWNER_DATABASE_URL" in livlina.refused("migrate", **app)
        both = {**app, "LIVLINA_OWNER_DATABASE_URL": postgres.owner_url}
        for words in (("migrate",), ("municipality", "add", "1", "X")):
            done = livlina.run(*words, **both)
            assert done.returncode == 0, done.stderr
    finally:
        postgres.stop()


def test_commands_share_an_embedded_database_but_a_server_wants_it_for_itself(
    livlina: CommandLine, data_folder: Path
) -> None:
    postgres = EmbeddedPostgres(data_folder)
    postgres.start()
    try:
        livlina.json("municipality", "add", "1", "X")
        assert "in use by process" in livlina.refused("serve")
    finally:
        postgres.stop()


def test_a_wrong_setting_is_one_sentence(livlina: CommandLine) -> None:
    said = livlina.refused("serve", LIVLINA_HTTP_PORT="eighty")
    assert (
        said
        == "livlina: LIVLINA_HTTP_PORT='eighty' is no port: give a number from 0 to 65535 (0 lets the system choose)\n"
    )


def test_decode_explains_and_says_when_it_cannot(livlina: CommandLine) -> None:
    explained = livlina.json("decode", "a3 00 11 01 01 02 00")
    assert explained["what"] == "message"
    assert explained["message"]["type"] == "alarm"
    assert "hex" in livlina.refused("decode", "zz")
    unknown = livlina.run("decode", "ffff")
    assert unknown.returncode == 1


def test_version(livlina: CommandLine) -> None:
    assert livlina.json("version")["livlina"].count(".") == 2
