"""``livlina centre add, list, remove, token, probe`` as typed: what comes back, and one sentence for each mistake."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet.registry import store as registry
from fleet.store.pool import make_pool
from livlina.cli import app
from tests.database import FreshDatabase
from tests.ports import free_port

SIGNING = "a signing secret of thirty octets"


class CommandLine:
    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(app, ["centre", *arguments], env=self._environment)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 1, result.output
        assert not result.stdout
        assert result.stderr.count("\n") == 1
        return str(result.stderr)


@pytest.fixture
def livlina(database: FreshDatabase, tmp_path: Path) -> CommandLine:
    async def fill() -> None:
        async with make_pool(database.app_url, "registry", size=1) as pool, pool.connection() as connection:
            await registry.add_municipality(connection, 1, "One")

    asyncio.run(fill())
    return CommandLine(
        {"LIVLINA_DATABASE_URL": database.app_url, "LIVLINA_OWNER_DATABASE_URL": database.owner_url,
         "LIVLINA_DATA": str(tmp_path / "data")}
    )  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SIGNING + "\n")
    return file


def test_a_centre_from_its_making_to_its_end(livlina: CommandLine, secret: Path) -> None:
    to = f"http://127.0.0.1:{free_port()}/in"
    made = livlina.json(
        "add", "North", "--to", to, "--protocol", "webhook", "--municipality", "1", "--secret-file", str(secret),
        "--reports-taken", "webhook", "--unit-type", "personal", "--rank", "2",
    )  # fmt: skip
    assert (made["protocol"], made["rank"], made["unit_type"]) == ("webhook", 2, "personal")
    (listed,) = livlina.json("list")["centres"]
    assert (listed["centre"], listed["secret"], listed["token"]) == ("North", True, True)
    assert listed["routes"] == ["1 personal rank 2"]
    assert "North  webhook 127.0.0.1:" in livlina.run("list").stdout
    assert livlina.json("token", "North")["token"] != made["token"]
    probed = livlina.run("probe", "North", "--json")
    assert (probed.exit_code, json.loads(probed.stdout)["answered"]) == (1, False)
    assert "municipality 1 go to North" in livlina.refused("remove", "North")
    livlina.json("add", "South", "--to", "127.0.0.1:9", "--municipality", "1", "--unit-type", "personal", "--rank", "2")
    assert livlina.json("remove", "North")["removed"]
    assert [one["centre"] for one in livlina.json("list")["centres"]] == ["South"]
    for output in (livlina.run("list", "--json").output, livlina.run("list").output):
        assert SIGNING not in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "nowhere"), "HOST:PORT"),
        (("--to", "127.0.0.1:9", "--protocol", "telex"), "choose one of dc09, scaip, sosaccess, webhook, jsonl"),
        (("--to", "127.0.0.1:9", "--option", "form"), "NAME=VALUE"),
        (("--to", "127.0.0.1:9", "--option", "form=x"), "SIA-DCS, ADM-CID"),
        (("--to", "127.0.0.1:9", "--option", "utf8=yes", "--option", "utf8=no"), "stands twice"),
        (("--to", "127.0.0.1:9", "--option", "url=x"), "it is what --to says"),
        (("--to", "127.0.0.1:9", "--option", "transport=tls", "--option", "ca=/nowhere.pem"), "/nowhere.pem"),
        (("--to", "127.0.0.1:9", "--secret-file", "/nowhere"), "/nowhere"),
        (("--to", "127.0.0.1:9", "--secret-file", "{secret}"), "the secret is no key"),
        (("--to", "127.0.0.1:9", "--unit-type", "boat"), "social, personal"),
        (("--to", "127.0.0.1:9", "--reports-taken", "smoke"), "console, webhook"),
        (("--to", "127.0.0.1:9", "--protocol", "sosaccess"), "name its file with --secret-file"),
        (("--to", "http://centre.example/", "--protocol", "webhook", "--secret-file", "{secret}"), "https"),
        (("--to", "/nowhere/at/all.jsonl", "--protocol", "jsonl"), "a folder that exists"),
        (("--to", "127.0.0.1:9", "--municipality", "7"), "municipality 7 is unknown"),
    ],
)
def test_each_mistake_is_one_sentence_and_changes_nothing(
    arguments: tuple[str, ...], words: str, livlina: CommandLine, secret: Path
) -> None:
    typed = [argument.format(secret=secret) for argument in arguments]
    said = livlina.refused("add", "A", "--municipality", "1", *typed)
    assert words in said
    assert SIGNING not in said
    assert livlina.json("list")["centres"] == []


@pytest.mark.parametrize("command", ["remove", "token", "probe"])
def test_a_centre_that_is_not_there_is_named(command: str, livlina: CommandLine) -> None:
    assert "there is no centre 'B'" in livlina.refused(command, "B")


def test_the_old_way_to_type_it_still_holds(livlina: CommandLine) -> None:
    made = livlina.json("add", "A", "--to", "127.0.0.1:9999", "--municipality", "1")
    assert (made["protocol"], made["municipalities"], made["rank"]) == ("dc09", [1], 1)
    assert livlina.json("add", "A", "--to", "[::1]:9", "--municipality", "1")["centre"] == made["centre"]
