"""What `livlina centre receive` and `send` say of a file or password that cannot be used: a sentence that names it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livlina.cli import app
from livlina.conformance.case import why

ALARM = {
    "id": "1", "received_at": "2026-01-02T10:00:00+00:00", "source": {"protocol": "fleet", "transport": "coap"},
    "transmitter": {"id": "0043"}, "action": "NEW", "category": "PERSONAL_HELP",
}  # fmt: skip


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LIVLINA_CENTRE_PASSWORD", raising=False)
    (tmp_path / "alarm.json").write_text(json.dumps(ALARM))
    (tmp_path / "junk.pem").write_text("junk")

    def run(*arguments: str) -> str:
        named = [part.replace("TMP", str(tmp_path)) for part in arguments]
        result = CliRunner().invoke(app, ["centre", *named])
        assert result.exit_code == 1 and result.stderr.startswith("livlina: ")
        return result.stderr

    return run


@pytest.mark.parametrize("file", ["nowhere.pem", "junk.pem"])
def test_a_file_that_cannot_be_used_is_named(refused, file):
    listen = ("receive", "--protocol", "dc09", "--listen", "127.0.0.1:0", "--tls-cert", f"TMP/{file}")
    assert file in refused(*listen)
    send = ("send", "--protocol", "dc09", "--to", "127.0.0.1:9", "--alarm", "TMP/alarm.json", "--ca", f"TMP/{file}")
    assert file in refused(*send)


def test_a_password_that_is_none_is_asked_for_by_the_name_of_its_variable(refused):
    said = refused("send", "--protocol", "sosaccess", "--to", "127.0.0.1:9", "--alarm", "TMP/alarm.json")
    assert "LIVLINA_CENTRE_PASSWORD" in said


def test_a_connection_that_failed_is_told_in_words():
    assert why(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)")) == (
        "Connect call failed ('127.0.0.1', 9)"
    )
    assert why(TimeoutError()) == "TimeoutError"
