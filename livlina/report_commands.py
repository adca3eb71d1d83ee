"""``livlina evidence month`` and ``livlina evidence case``: reports as JSON, CSV and PDF."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write the files into; it is made.")]


def register(evidence_app: typer.Typer) -> None:
    """Adds the commands to their group."""
    evidence_app.command("month")(evidence_month)
    evidence_app.command("case")(evidence_case)


def evidence_month(
    municipality: Annotated[int, typer.Option(min=1, help="Its number.")],
    month: Annotated[str, typer.Option(help="YYYY-MM.")],
    out: Out = None,
    unit_a_month: Annotated[int | None, typer.Option(min=0, help="What a unit costs a month.")] = None,
    alarm_each: Annotated[int | None, typer.Option(min=0, help="What the centre takes for an alarm.")] = None,
    currency: Annotated[str, typer.Option(help="Of these amounts.")] = "SEK",
    as_json: Json = False,
) -> None:
    """A municipality's month: alarms, both response times, availability, tests, late alarms, costs."""
    from fleet.evidence.month import Prices, ReportError, month_csv, month_report
    from fleet.evidence.report_pdf import month_pdf
    from livlina.cli import one_sentence, settings_or_fail, show

    prices = Prices(unit_a_month, alarm_each, currency)
    with one_sentence(ReportError, LookupError):
        report = _read(
            settings_or_fail(),
            lambda connection: month_report(connection, municipality, month, datetime.now(UTC), prices=prices),
        )
        files: dict[str, bytes] = {f"{municipality}-{month}.csv": month_csv(report).encode()}
        for language in ("sv", "en"):
            files[f"{municipality}-{month}.{language}.pdf"] = month_pdf(report, language)
        written = _write(out, f"{municipality}-{month}.json", report, files)
    if as_json or out is None:
        show(report, True)
    else:
        typer.echo("\n".join(written))


def evidence_case(
    case: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The case's number.")],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """A case: what happened, and who had the alarm when, with its places in the chain."""
    from fleet.evidence.case_report import case_report
    from fleet.evidence.report_pdf import case_pdf
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(LookupError):
        report = _read(settings_or_fail(), lambda connection: case_report(connection, case, datetime.now(UTC)))
        files = {f"case-{case}.{language}.pdf": case_pdf(report, language) for language in ("sv", "en")}
        written = _write(out, f"case-{case}.json", report, files)
    if as_json or out is None:
        show(report, True)
    else:
        typer.echo("\n".join(written))


def _write(out: Path | None, name: str, report: dict[str, Any], files: dict[str, bytes]) -> list[str]:
    if out is None:
        return []
    out.mkdir(parents=True, exist_ok=True)
    files = {name: (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(), **files}
    for file, octets in files.items():
        (out / file).write_bytes(octets)
    return [str(out / file) for file in files]


def _read(settings: Any, work: Callable[[Any], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """One look as the evidence duty, for as long as it takes."""
    from fleet.store.pool import make_pool
    from livlina.installation import migrate_database, open_database

    with open_database(settings) as database:
        migrate_database(database)

        async def run() -> dict[str, Any]:
            async with (
                make_pool(database.app_url, "evidence", size=1, name="command-line") as pool,
                pool.connection() as connection,
                connection.transaction(),
            ):
                await connection.execute("SET LOCAL statement_timeout = 0")
                return await work(connection)

        return asyncio.run(run())
