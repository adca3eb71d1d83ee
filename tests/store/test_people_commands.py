"""``livlina people ...`` as typed: what comes back, and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from livlina.cli import app
from tests.database import FreshDatabase


class CommandLine:
    def __init__(self, database: FreshDatabase, data: Path) -> None:
        self.database = database
        self._environment = {
            "LIVLINA_DATABASE_URL": database.app_url, "LIVLINA_OWNER_DATABASE_URL": database.owner_url,
            "LIVLINA_DATA": str(data), "LIVLINA_HTTP_PORT": "8090",
        }  # fmt: skip

    def run(self, *arguments: str, typed: str | None = None, group: str = "people") -> Any:
        return CliRunner().invoke(app, [group, *arguments], env=self._environment, input=typed)

    def json(self, *arguments: str, typed: str | None = None) -> Any:
        result = self.run(*arguments, "--json", typed=typed)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def done(self, *arguments: str, group: str = "people") -> str:
        result = self.run(*arguments, group=group)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 1, result.output
        assert not result.stdout
        assert result.stderr.count("\n") == 1
        return str(result.stderr)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def livlina(database: FreshDatabase, tmp_path: Path) -> CommandLine:
    line = CommandLine(database, tmp_path / "data")
    line.done("add", "1", "Kristianstad", group="municipality")
    return line


def test_the_first_administrator_gets_a_link_and_no_second_one_does(livlina: CommandLine) -> None:
    made = livlina.json("first-administrator", "root")
    assert made["link"].startswith("http://localhost:8090/welcome?link=")
    # Nobody has used the link yet, so another one may be asked for: the first may be lost.
    assert livlina.json("first-administrator", "root")["link"] != made["link"]
    livlina.sql("UPDATE users SET password_hash = 'x' WHERE login = 'root'")
    assert "there is an administrator already" in livlina.refused("first-administrator", "other")
    assert livlina.sql("SELECT login, password_hash FROM users") == [("root", "x")]
    kept = livlina.sql("SELECT octet_length(link_hash), expires_at > now() + interval '2 days' FROM one_time_links")
    assert kept == [(32, True), (32, True)]


def test_people_are_added_given_roles_and_listed(livlina: CommandLine) -> None:
    livlina.json("first-administrator", "root")
    livlina.json("add", "nina", "--name", "Nina N", "--municipality", "1")
    assert livlina.done("grant", "nina", "operator", "--municipality", "1") == "nina is operator\n"
    livlina.json("centre", "Larmcentral Nord")
    livlina.done("grant", "nina", "shift_lead", "--centre", "Larmcentral Nord")
    listed = livlina.json("list", "--find", "nin")["people"]
    assert [(held["role"], held["place"]) for held in listed[0]["roles"]] == [
        ("shift_lead", "Larmcentral Nord"), ("operator", "Kristianstad"),
    ]  # fmt: skip
    assert "operator in Kristianstad" in livlina.done("list")
    assert livlina.json("invite", "nina")["link"]
    livlina.done("revoke", "nina", "operator", "--municipality", "1")
    assert "does not hold the role operator there" in livlina.refused(
        "revoke", "nina", "operator", "--municipality", "1"
    )
    assert "last administrator" in livlina.refused("revoke", "root", "administrator", "--municipality", "0")
    actions = {row[0] for row in livlina.sql("SELECT action FROM audit_records WHERE actor = 'console:local'")}
    assert {"person.added", "person.role_granted", "person.role_revoked", "person.link_made"} <= actions


def test_who_is_responsible_by_the_hour(livlina: CommandLine) -> None:
    livlina.json("centre", "Dag")
    livlina.json("centre", "Natt")
    livlina.sql(
        "INSERT INTO office_hours SELECT 1, '2026-01-01Z', d * 1440 + 480, d * 1440 + 1020 FROM generate_series(0, 4) d"
    )
    for centre, hours in (("Dag", "office"), ("Natt", "on_call")):
        livlina.done(
            "serve", "1", "alarm_reception", "--centre", centre, "--hours", hours, "--from", "2026-02-01T00:00Z"
        )
    livlina.json("add", "nina")
    livlina.done("grant", "nina", "operator", "--centre", "Natt")
    noon = livlina.json("responsible", "1", "--at", "2026-11-23T12:00+01:00")
    night = livlina.json("responsible", "1", "--at", "2026-11-23T22:00+01:00")
    assert (noon["centres"], noon["consoles"]) == (["Dag"], [])
    assert (night["centres"], night["consoles"]) == (["Natt"], ["nina"])


def test_a_municipality_has_districts_and_clocks(livlina: CommandLine) -> None:
    for _ in range(2):
        livlina.done("district", "1", "Centrum")
    livlina.done("zone", "1", "Europe/Helsinki")
    assert "no time zone" in livlina.refused("zone", "1", "Europe/Nowhere")
    assert livlina.sql("SELECT name FROM districts") == [("Centrum",)]
    assert livlina.sql("SELECT zone FROM municipalities WHERE municipality_id = 1") == [("Europe/Helsinki",)]


def test_tokens_and_providers_are_shown_once_and_ended(livlina: CommandLine) -> None:
    made = livlina.json("token", "add", "Journal", "--role", "fleet_owner", "--municipality", "1", "--days", "30")
    assert made["token"].startswith("livlina_")
    assert made["token"] not in livlina.done("token", "list")
    assert "Journal" in livlina.done("token", "list")
    livlina.done("token", "revoke", str(made["token_id"]))
    assert "no such token" in livlina.refused("token", "revoke", str(made["token_id"]))
    wish = ("provider", "add", "1", "Kommunen", "--issuer", "https://id.example", "--client-id", "us", "--secret")
    provider = livlina.json(*wish, typed="between us\n")["provider"]
    assert "between us" not in str(livlina.sql("SELECT * FROM identity_providers"))
    assert livlina.json("provider", "list")["providers"][0]["secret"] is True
    livlina.done("provider", "remove", str(provider))
    assert "there is no identity provider" in livlina.refused("provider", "remove", str(provider))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "Nina Nilsson"), "no sign-in name"),
        (("add", "nina", "--municipality", "7"), "municipality 7 is unknown"),
        (("grant", "nobody", "operator", "--municipality", "1"), "there is nobody called nobody"),
        (("grant", "nina", "operator"), "name one place"),
        (("grant", "nina", "operator", "--municipality", "1", "--centre", "x"), "name one place"),
        (("grant", "nina", "operator", "--centre", "x"), "there is no alarm centre"),
        (("serve", "1", "alarm_reception", "--centre", "x"), "there is no alarm centre"),
        (("centre", "Nord", "--door", "nowhere"), "there is no centre"),
        (("token", "add", "x", "--role", "emperor", "--municipality", "1"), "there is no role"),
        (("provider", "add", "1", "x", "--issuer", "http://id.example", "--client-id", "us"), "https"),
    ],
)
def test_each_mistake_is_one_sentence(livlina: CommandLine, arguments: tuple[str, ...], why: str) -> None:
    assert why in livlina.refused(*arguments)


def test_an_operator_of_the_old_command_has_a_role_and_keeps_it(livlina: CommandLine) -> None:
    livlina.done("add", "olle", "--municipality", "1", group="operator")
    livlina.done("revoke", "olle", "operator", "--municipality", "1")
    livlina.done("add", "olle", "--municipality", "1", group="operator")
    assert "operator in Kristianstad" in livlina.done("list")
