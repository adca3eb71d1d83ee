"""docs/api.md as it stands: every example is sent to a real server, and the program is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet.people.decide import PERMISSIONS
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.web.api.app import PREFIX, make_api, openapi
from tests.api_town import UNIT, ApiTown, api_town
from tests.database import fresh_database

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def town(postgres: EmbeddedPostgres) -> Iterator[ApiTown]:
    with fresh_database(postgres) as database, api_town(database) as made:
        yield made


def like(wanted: Any, found: Any, where: str) -> None:
    """Whether an answer holds what the page shows; "..." stands for anything."""
    if wanted == "...":
        return
    if isinstance(wanted, str) and "..." in wanted:
        assert re.fullmatch(".*".join(re.escape(part) for part in wanted.split("...")), found), where
    elif isinstance(wanted, dict):
        assert isinstance(found, dict), where
        for name, value in wanted.items():
            assert name in found, f"{where}.{name}"
            like(value, found[name], f"{where}.{name}")
    elif isinstance(wanted, list) and wanted:
        assert isinstance(found, list) and found, where
        like(wanted[0], found[0], f"{where}[0]")
    elif not isinstance(wanted, list):
        assert wanted == found, f"{where}: {found!r}"


def test_every_example_is_answered_as_the_page_shows(town: ApiTown) -> None:
    names = {
        "{case}": str(town.ids[f"case:{UNIT:08x}"]),
        "{unit}": f"{UNIT:08x}",
        "{recipient}": str(town.ids["recipient:own"]),
    }
    http = [body for kind, body in BLOCKS if kind == "http"]
    pairs = list(zip(http[::2], http[1::2], strict=True))
    assert len(pairs) >= 15
    with town.client(None) as client:
        for pair in pairs:
            asked, answered = (re.sub(r"\{\w+\}", lambda name: names.get(name[0], name[0]), text) for text in pair)
            head, _, body = asked.partition("\n\n")
            line, *headers = head.strip().splitlines()
            method, path = line.split()
            sent = dict(header.split(": ", 1) for header in headers)
            if "Authorization" in sent:
                role = re.fullmatch(r"Bearer <token of an? (\w+)>", sent["Authorization"])
                assert role is not None, asked
                sent["Authorization"] = f"Bearer {town.tokens[role[1]]}"
            found = client.request(
                method, path.removeprefix("/api/v1"), headers={**sent, "Content-Type": "application/json"},
                content=body.strip().encode() or None,
            )  # fmt: skip
            status, _, document = answered.strip().partition("\n")
            assert found.status_code == int(status), f"{line}: {found.status_code} {found.text}"
            like(json.loads(document), found.json(), line)


def test_the_program_runs(town: ApiTown, tmp_path: Path) -> None:
    [program] = [body for kind, body in BLOCKS if kind == "python"]
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    environment = {**os.environ, "LIVLINA_API": f"{town.base}/api/v1", "LIVLINA_TOKEN": town.tokens["operator"]}
    ran = subprocess.run(
        [sys.executable, file], env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "is ours" in ran.stdout


def test_the_document_beside_the_page_is_this_releases() -> None:
    kept = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    document = openapi(make_api(None, None))
    assert json.loads(kept) == document, "write it with `livlina api openapi --out docs/openapi.json`"
    changed = {**document, "info": {**document["info"], "version": "0"}}
    assert json.loads(kept) != changed


def test_a_server_serves_it(town: ApiTown) -> None:
    served = httpx.get(f"{town.base}{PREFIX}/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.json() == openapi(make_api(None, None))


def test_every_operation_names_a_permission_that_exists_and_its_errors() -> None:
    for path, methods in openapi(make_api(None, None))["paths"].items():
        for method, operation in methods.items():
            assert operation["x-permission"] in PERMISSIONS, f"{method} {path}"
            assert {"401", "403", "422", "503"} <= set(operation["responses"]), f"{method} {path}"
            if method == "post":
                named = {parameter["name"] for parameter in operation.get("parameters", ())}
                secret = path.endswith(("/open", "/person", "/link", "/close")) or path in (
                    "/tokens",
                    "/webhooks",
                    "/identity-providers",
                )
                secret = secret or path.startswith("/centre-settings")
                assert secret or "Idempotency-Key" in named, f"{method} {path}"
