"""``livlina fleet import`` and ``livlina fleet export``: units and recipients of a whole fleet as a file."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

fleet_app = typer.Typer(no_args_is_help=True, help="Units and recipients many at a time: see docs/fleet-files.md.")
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
SHOWN = 20


class _DryRun(Exception):
    """Ends a transaction whose changes were only wanted for looking at."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.result = result


@fleet_app.command("import")
def fleet_import(
    file: Annotated[Path, typer.Argument(help="A .csv or .json file, as `livlina fleet export` writes it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be written.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Write the sound rows although others are wrong.")] = False,
    persons: Annotated[
        bool, typer.Option("--persons", help="The file may hold names and addresses: seal them.")
    ] = False,
    sealed: Annotated[
        Path | None, typer.Option("--sealed", help="The transfer key that the file's persons are sealed under.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add units and recipients, and mend known ones. Nothing is written if any row is wrong, unless --partial."""
    from fleet.registry.bulk_document import BulkError
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(BulkError):
        result = run_import(settings_or_fail(), file, dry_run=dry_run, partial=partial, persons=persons, sealed=sealed)
    if as_json:
        show(result, True)
    else:
        typer.echo("\n".join(_import_lines(result)))
    if result["faults"]:
        raise typer.Exit(1)


def run_import(
    settings: Any, file: Path, *, dry_run: bool, partial: bool, persons: bool, sealed: Path | None = None
) -> dict[str, Any]:
    """The import and what became of it, with the hash of the fleet as it is then. Raises BulkError, OSError."""
    from fleet.registry import bulk
    from fleet.registry.bulk_document import BulkError, read_bulk
    from fleet.registry.transfer_key import TransferKey
    from fleet.store.pool import Connection
    from livlina.installation import open_secret_box
    from livlina.registry_connection import console_actor, in_registry

    began = time.monotonic()
    data = file.read_bytes()
    rows = read_bulk(data, name=file.name)
    if not persons and any(row["name"] for row in rows.recipients.values()):
        raise BulkError("the file holds names and addresses: say --persons if they are meant to be sealed here")
    if sealed is None and any(row["sealed"] for row in rows.recipients.values()):
        raise BulkError("the file holds sealed persons: say --sealed and name their transfer key")
    if sealed is not None:
        bulk.unseal(rows, TransferKey.open(sealed))
    box = open_secret_box(settings) if persons or sealed is not None else None
    grounds = f"import:{hashlib.sha256(data).hexdigest()[:12]}"

    async def work(connection: Connection) -> dict[str, Any]:
        await bulk.check(connection, rows)
        faults = sorted(rows.faults, key=lambda fault: fault.line)
        counted: dict[str, int] = {}
        if not faults or partial:
            counted = await bulk.put(
                connection, rows, actor=console_actor(), at=datetime.now(UTC), grounds=grounds, box=box
            )
        result = {
            "written": bool(counted) and not dry_run,
            "dry_run": dry_run,
            **counted,
            "rows_wrong": len({fault.line for fault in faults}),
            "faults": [{"line": one.line, "field": one.field, "why": one.why} for one in faults[:1000]],
            "hash": (await bulk.export(connection))["hash"],
        }
        if dry_run:
            raise _DryRun(result)
        return result

    try:
        result = in_registry(settings, work)
    except _DryRun as run:
        result = run.result
    return {**result, "seconds": round(time.monotonic() - began, 2)}


def _import_lines(result: dict[str, Any]) -> list[str]:
    lines = [f"line {one['line']}: {one['field']} {one['why']}" for one in result["faults"][:SHOWN]]
    if len(result["faults"]) > SHOWN:
        lines.append(f"and {len(result['faults']) - SHOWN} more faults: --json shows them")
    if "units_added" not in result:
        return [*lines, f"nothing was written: {result['rows_wrong']} rows are wrong. Mend them, or say --partial"]
    would = "would be " if result["dry_run"] else ""
    lines.append(
        f"units: {result['units_added']} {would}added, {result['units_changed']} {would}changed; recipients: "
        f"{result['recipients_added']} {would}added, {result['recipients_changed']} {would}changed; "
        f"{result['persons']} persons {would}sealed; {result['rows_wrong']} rows wrong"
    )
    return [*lines, f"fleet {result['hash']}, {result['seconds']} s"]


@fleet_app.command("export")
def fleet_export(
    file: Annotated[Path, typer.Argument(help="A new file that ends with .csv or .json.")],
    municipality: Annotated[list[int] | None, typer.Option(min=1, help="Of this one only; may be repeated.")] = None,
    persons: Annotated[bool, typer.Option("--persons", help="With names and addresses; needs --reason.")] = False,
    sealed: Annotated[
        Path | None,
        typer.Option(
            "--sealed", help="With everybody, sealed under this transfer key; made if it is new. --reason too."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why they are exported: each look is written down with it.")] = "",
    as_json: Json = False,
) -> None:
    """Write units and recipients into a file that imports into an equal fleet. Keys are never exported; whoever has a
    protected identity leaves sealed or not at all."""
    from fleet.registry.bulk_document import BulkError
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(BulkError):
        result = run_export(
            settings_or_fail(), file, municipality or None, persons=persons, reason=reason, sealed=sealed
        )
    show(result, as_json)


def run_export(
    settings: Any,
    file: Path,
    municipalities: list[int] | None,
    *,
    persons: bool,
    reason: str,
    sealed: Path | None = None,
) -> dict[str, Any]:
    """The export; returns how much was written and the hash. Raises BulkError, OSError (an existing file too)."""
    from fleet.registry import bulk
    from fleet.registry.bulk_document import BulkError, as_csv, as_json
    from fleet.registry.recipients import LEAST_REASON, MOST_REASON
    from fleet.registry.transfer_key import TransferKey
    from fleet.store.pool import Connection
    from livlina.installation import open_secret_box
    from livlina.registry_connection import console_actor, in_registry

    if not file.name.lower().endswith((".csv", ".json")):
        raise BulkError("the file's name must end with .csv or .json")
    reason = reason.strip()
    if persons and sealed is not None:
        raise BulkError("say --persons or --sealed: names in the clear, or everybody sealed")
    looked = persons or sealed is not None
    if looked and not LEAST_REASON <= len(reason) <= MOST_REASON:
        raise BulkError(f"--persons and --sealed need --reason, in {LEAST_REASON} to {MOST_REASON} characters")
    box = open_secret_box(settings) if looked else None
    transfer = None if sealed is None else TransferKey.open(sealed, create=True)

    async def work(connection: Connection) -> dict[str, Any]:
        if box is None:
            document = await bulk.export(connection, municipalities)
        else:
            document = await bulk.export_with_persons(
                connection,
                box,
                actor=console_actor(),
                reason=reason,
                at=datetime.now(UTC),
                municipalities=municipalities,
                transfer=transfer,
            )
        # Inside the transaction: where the file cannot be written, nobody has looked.
        _write(file, as_json(document) if file.name.lower().endswith(".json") else as_csv(document))
        return document

    document = in_registry(settings, work)
    return {
        "file": str(file), "units": len(document["units"]), "recipients": len(document["recipients"]),
        "persons": persons, "hash": document["hash"],
    }  # fmt: skip


def _write(file: Path, text: str) -> None:
    """A new file that nobody else can read. Raises FileExistsError."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
        out.write(text)
