"""Requests generated out of the whole OpenAPI document, by every role: no fault, nobody else's row, no canary."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as fixed_seed
from hypothesis import strategies as st

from fleet.settings import Settings
from fleet.web.api.app import make_api, openapi
from livlina.installation import open_secret_box
from tests.api_callers import CALLERS, canaries_in, restore, sign_in
from tests.api_town import CANARIES, FOREIGN_TRACKER, FOREIGN_UNIT, TRACKER, UNIT, ApiTown, api_town
from tests.database import FreshDatabase
from tests.ports import free_port
from tests.web_server import until

LEAKS = ("audit_records", "api_answers", "unit_life_log", "unit_commands")


@cache
def operations() -> list[Any]:
    """Those of the document. Here and not above: schemathesis costs half a second in whoever collects this file."""
    import schemathesis

    schema = schemathesis.openapi.from_dict(openapi(make_api(None, None)))
    return sorted((found.ok() for found in schema.get_all_operations()), key=lambda one: one.label)


@dataclass
class Outcome:
    """What the requests have met with."""

    base: str = ""
    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@pytest.fixture
def town(database: FreshDatabase) -> Iterator[ApiTown]:
    with api_town(database) as made:
        yield made


def known(town: ApiTown) -> dict[str, st.SearchStrategy[Any]]:
    """Values of path parameters that name something, one's own and somebody else's."""
    numbers = [number for name, number in town.ids.items() if not name.startswith("token")]
    units = [f"{unit:08x}" for unit in (UNIT, FOREIGN_UNIT, TRACKER, FOREIGN_TRACKER)]
    few = st.sampled_from([1, 2, 3, 4, 5])
    return {
        "unit": st.sampled_from(units),
        "pairing_id": st.sampled_from([1, 2, 3]),
        "case": st.sampled_from([number for name, number in town.ids.items() if name.startswith("case")]),
        "recipient": st.sampled_from([number for name, number in town.ids.items() if name.startswith("recipient")]),
        **dict.fromkeys(
            (
                "person",
                "role",
                "token",
                "task",
                "subscription",
                "search",
                "routine",
                "centre",
                "district",
                "provider",
                "incident",
            ),
            few,
        ),
        "any": st.sampled_from(numbers),
    }


def generated(operation: Any, values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Cases of an operation: well formed, broken on purpose, and about things that are there."""
    from schemathesis import GenerationMode

    @st.composite
    def aimed(draw: Any) -> Any:
        case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        for name in list(case.path_parameters or {}):
            if name in values:
                case.path_parameters[name] = draw(values[name])
        if isinstance(case.body, dict):
            for name in ("case", "recipient", "municipality"):
                if name in case.body and draw(st.booleans()):
                    case.body[name] = draw(values["any"]) if name != "municipality" else draw(st.sampled_from([1, 2]))
        return case

    modes = [aimed(), operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if operation.path_parameters or operation.query or operation.body:
        modes.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    return st.one_of(*modes)


def bombard(
    town: ApiTown, each: int, *, seed: int = 1, callers: Sequence[str] = CALLERS, base: str | None = None
) -> Outcome:
    """``each`` requests for every operation and caller, to this server or the town's own."""
    outcome = Outcome(base=base or town.base)
    cookies = sign_in(town)
    values = known(town)
    for caller in callers:
        with requests.Session() as session:
            session.cookies.update(cookies[caller])
            for operation in operations():
                restore(town)
                send_some(town, outcome, session, caller, generated(operation, values), each, seed)
    for canary in canaries_in("\n".join(town.logged), "log"):
        outcome.faults.append(f"the log holds {canary}")
    stored = {"audit_records": "municipality_id = 1", "api_answers": "actor NOT LIKE 'person:%'"}
    for table in LEAKS:
        where = stored.get(table, "true")
        text = "\n".join(str(row) for row in town.sql(f"SELECT * FROM {table} WHERE {where}"))
        outcome.faults += [f"{table} holds {canary}" for canary in canaries_in(text, "table") if "unit" not in canary]
    return outcome


def send_some(
    town: ApiTown,
    outcome: Outcome,
    session: requests.Session,
    caller: str,
    cases: st.SearchStrategy[Any],
    count: int,
    seed: int,
) -> None:
    """So many generated requests of one operation."""

    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def send(case: Any) -> None:
        one_request(town, outcome, session, caller, case)

    fixed_seed(seed)(send)()


def one_request(town: ApiTown, outcome: Outcome, session: requests.Session, caller: str, case: Any) -> None:
    """Sends it as this caller and judges the answer. What no client can put on a line is left out."""
    headers = {
        name: value for name, value in (case.headers or {}).items() if name.lower() not in ("authorization", "cookie")
    }
    case.headers.clear()
    case.headers.update(headers)
    case.cookies.clear()
    try:
        answer = case.call(base_url=f"{outcome.base}/api/v1", session=session, timeout=60)
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
        return
    outcome.sent += 1
    outcome.statuses[answer.status_code] += 1
    text = answer.content.decode("utf-8", "replace") + str(answer.headers)
    label = f"{caller}: {case.as_curl_command()} -> {answer.status_code}"
    if answer.status_code >= 500:
        outcome.faults.append(f"{label}: {text[:300]}")
    outcome.faults += [f"{label} holds {canary}" for canary in canaries_in(text, caller)]
    problem = "application/problem+json" in str(answer.headers.get("content-type", ""))
    if answer.status_code >= 400 and not problem and b"Invalid HTTP request" not in answer.content:
        outcome.faults.append(f"{label} is no problem document: {text[:200]}")


@pytest.mark.timeout(900)
def test_generated_requests_meet_no_fault_and_no_canary(town: ApiTown) -> None:
    outcome = bombard(town, 1)
    print(f"{outcome.sent} generated requests: {dict(sorted(outcome.statuses.items()))}")
    assert outcome.faults[:5] == []
    assert outcome.sent > 500 and outcome.statuses[200] > 40 and outcome.statuses[403] > 40
    assert any(CANARIES["a foreign municipality"] in row for row in [str(town.sql("SELECT name FROM municipalities"))])


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_ten_thousand_generated_requests(town: ApiTown) -> None:
    each = -(-10_000 // (len(CALLERS) * len(operations()))) + 3
    outcome = bombard(town, each, seed=random.SystemRandom().randrange(2**32))
    print(f"{outcome.sent} generated requests by {len(CALLERS)} callers: {dict(sorted(outcome.statuses.items()))}")
    assert outcome.faults[:5] == []
    assert outcome.sent >= 10_000


@pytest.mark.timeout(900)
def test_control_without_row_level_security_the_canaries_are_seen(town: ApiTown) -> None:
    tables = town.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity "
        "AND relkind IN ('r', 'p')"
    )
    for (table,) in tables:
        town.sql(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')
    outcome = bombard(town, 1, callers=("fleet_owner", "administrator"))
    seen = "\n".join(outcome.faults)
    for what in ("a foreign municipality", "a foreign unit", "a foreign reference", "a foreign login"):
        assert CANARIES[what] in seen, f"without row level security {what} should have been seen"


@contextmanager
def own_process(town: ApiTown, folder: Path) -> Iterator[tuple[str, Path]]:
    """``livlina serve`` on the town's database, and the file that holds everything it has said on both outputs."""
    log, http = folder / "server.log", free_port()
    environment = {
        **os.environ,
        "LIVLINA_DATA": str(folder), "LIVLINA_DATABASE_URL": town.database.app_url,
        "LIVLINA_OWNER_DATABASE_URL": town.database.owner_url, "LIVLINA_HTTP_PORT": str(http),
        "LIVLINA_MQTT_PORT": str(free_port()), "LIVLINA_COAP_PORT": str(free_port()),
    }  # fmt: skip
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "-m", "livlina", "serve"], env=environment, stdout=out, stderr=out)
    try:
        until(lambda: server.poll() is not None or _answers(http), "livlina serve to answer", 60)
        assert server.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{http}", log
    finally:
        server.terminate()
        server.wait(60)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=60).ok
    except requests.RequestException:
        return False


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_what_the_server_writes_on_its_outputs_holds_no_canary(database: FreshDatabase, tmp_path: Path) -> None:
    """The log of `livlina serve` itself, after generated requests by those who see most, and a look at a person."""
    box = open_secret_box(Settings(data=tmp_path))
    with api_town(database, box) as town, own_process(town, tmp_path) as (base, log):
        outcome = bombard(town, 1, callers=("fleet_owner", "operator", "administrator"), base=base)
        assert outcome.faults[:5] == [] and outcome.sent > 100
        # A fault of the database while it holds a canary in its hands: what is said of it must not name it.
        town.sql("ALTER TABLE care_recipients ADD CONSTRAINT no_more CHECK (district <> 'Gula buren') NOT VALID")
        headers = {"Authorization": f"Bearer {town.tokens['fleet_owner']}"}
        body = {"municipality": 1, "reference": "LOG-1", "priority": 3, "district": CANARIES["a foreign district"]}
        refused = requests.post(f"{base}/api/v1/recipients", json=body, headers=headers, timeout=60)
        assert refused.status_code in (409, 503)
        said = log.read_text(errors="replace")
    assert "livlina" in said, "the control: this is where the server writes"
    # Its own log names units by their ids, whosever they are: it is the installation's.
    assert [found for found in canaries_in(said, "log") if "a foreign unit" not in found] == []
    assert canaries_in(said + CANARIES["a protected address"], "log") != [], "the control: it would be seen"
