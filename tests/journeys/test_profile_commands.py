"""A municipality chooses its units' reporting times by name or with figures of its own, and supervision reads them."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.journeys.test_command_line import CommandLine
from tests.journeys.test_path_commands import installed, owner_url

__all__ = ["installed"]


def test_reporting_times_are_chosen_by_name_or_with_a_source(installed: CommandLine, running_database: Path) -> None:
    assert installed.json("municipality", "profiles")["chosen"] == []
    named = installed.json("municipality", "profile", "1290", "social", "DP2")
    assert (named["report_s"], named["spare_s"]) == (1800, 90_000) and "EN 50136-1" in named["source"]
    own = ("--report-s", "600", "--spare-s", "3600", "--source", "contract 12")
    assert installed.json("municipality", "profile", "1290", "personal", "ours", *own)["report_s"] == 600
    found = installed.json("municipality", "profiles", "1290")
    assert [(row["type"], row["name"], row["source"][:8]) for row in found["chosen"]] == [
        ("personal", "ours", "contract"), ("social", "DP2", "EN 50136"),
    ]  # fmt: skip
    assert len(found["profiles"]) == 14 and all(one["source"] for one in found["profiles"])
    assert "DP4" in installed.run("municipality", "profiles").stdout
    for words, sentence in (
        (("1290", "social", "DP9"), "is no profile"), (("1290", "boat", "DP2"), "is no type of unit"),
        (("1291", "social", "DP2"), "there is no municipality"),
        (("1290", "social", "ours", *own[:4]), "have a source"),
        (("1290", "social", "DP2", *own), "another name"), (("1290", "social", "x", "--report-s", "1"), "5 to"),
    ):  # fmt: skip
        assert sentence in installed.refused("municipality", "profile", *words), words
    with psycopg.connect(owner_url(running_database)) as connection:
        rows = connection.execute("SELECT count(*) FROM audit_records WHERE action = 'supervision.profile_chosen'")
        assert rows.fetchone() == (2,), "what was refused is not recorded"
