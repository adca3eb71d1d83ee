"""Orders, status, tasks and gateways as an administrator types them, on an embedded database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.test_command_line import CommandLine


@pytest.fixture
def installed(running_database: Path) -> CommandLine:
    """An installation with a unit 00000001."""
    livlina = CommandLine(running_database, here=True)
    livlina.json("municipality", "add", "1290", "Kristianstad")
    livlina.json("unit", "add", "--municipality", "1290", "--flash", str(running_database / "flash"))
    return livlina


def test_a_unit_is_told_something_and_asked_about(installed: CommandLine) -> None:
    first = installed.json("unit", "command", "00000001", "drill", "input=2", "--by", "Karin")
    second = installed.json("unit", "command", "00000001", "search", "seconds=600")
    assert second["number"] > first["number"] > 1_700_000_000_000 and second["expires_at"] and not first["expires_at"]
    shown = installed.json("unit", "status", "00000001")
    assert shown["state"] is None and shown["registered"] == "active"
    assert [(one["kind"], one["arguments"], one["actor"]) for one in shown["commands"]] == [
        ("search", {"1": 600}, "command line"), ("drill", {"1": 2}, "Karin"),
    ]  # fmt: skip
    for_people = installed.run("unit", "status", "00000001")
    assert for_people.returncode == 0 and "kind drill" in for_people.stdout
    assert "choose one of drill" in installed.refused("unit", "command", "00000001", "fly")
    assert "interval=300" in installed.refused("unit", "command", "00000001", "heartbeat")
    assert "is no unit id" in installed.refused("unit", "status", "1")
    assert "is no unit id" in installed.refused("unit", "command", "00000000", "reboot")
    assert "is unknown" in installed.refused("unit", "status", "00000002")
    assert "is unknown" in installed.refused("unit", "command", "00000002", "reboot")
    assert len(installed.json("unit", "status", "00000001")["commands"]) == 2, "what is refused leaves nothing"


def test_the_list_of_tasks_is_empty_at_first(installed: CommandLine) -> None:
    assert installed.json("technician", "tasks") == {"tasks": []}
    assert "no task 1" in installed.refused("technician", "close", "1")


def test_a_gateway_shows_its_token_once(installed: CommandLine, data_folder: Path) -> None:
    secret = data_folder / "send-token"
    secret.write_text("let-us-in\n", encoding="utf-8")
    words = ("gateway", "add", "one", "--send-url", "https://sms.example/send", "--send-token-file", str(secret))
    made = installed.json(*words)
    assert len(made["token"]) >= 43 and made["path"] == "/hooks/sms/one"
    listed = json.dumps(installed.json("gateway", "list"))
    assert "sms.example" in listed and made["token"] not in listed and "let-us-in" not in listed
    assert installed.json(*words)["token"] != made["token"], "adding again gives a new one"
    assert "must be https" in installed.refused("gateway", "add", "two", "--send-url", "http://sms.example/send")
    assert "hold no password" in installed.refused("gateway", "add", "two", "--send-url", "https://a:b@sms.example/")
    assert "no URL" in installed.refused("gateway", "add", "two", "--send-url", "ftp://sms.example/")
    assert "no gateway name" in installed.refused("gateway", "add", "Two Words")
    assert "is unknown" in installed.refused("gateway", "add", "two", "--municipality", "9")
    assert installed.json("gateway", "remove", "one") == {"gateway": "one", "removed": True}
    assert "no gateway 'one'" in installed.refused("gateway", "remove", "one")
