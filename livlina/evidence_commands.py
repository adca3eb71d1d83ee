"""``livlina evidence``: whether the record is sound, and what leaves it by rule."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from livlina import report_commands

evidence_app = typer.Typer(no_args_is_help=True, help="The record of every action and receipt, and reports from it.")
report_commands.register(evidence_app)
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


@evidence_app.command("verify")
def evidence_verify(
    heads: Annotated[
        list[Path] | None,
        typer.Option(help="A file of signed heads kept elsewhere; may be repeated. Ours is read too."),
    ] = None,
    public_key: Annotated[
        list[Path] | None, typer.Option(help="A .pub file to trust instead of this installation's; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find edits, deletions, truncation and forgeries. Exit 1 when anything does not fit."""
    from fleet.evidence.heads import HeadsFileError
    from fleet.evidence.signing import SigningKeyError
    from livlina.cli import one_sentence, settings_or_fail, show

    settings = settings_or_fail()
    with one_sentence(HeadsFileError, SigningKeyError):
        document = _verify(settings, heads or [], public_key or [])
    if as_json:
        show(document, True)
    else:
        typer.echo("\n".join(_lines(document)))
    if not document["ok"]:
        raise typer.Exit(1)


def _verify(settings: Any, heads: list[Path], public: list[Path]) -> dict[str, Any]:
    from fleet.evidence.heads import read_heads
    from fleet.evidence.signing import SigningKeyError, read_public_keys
    from fleet.evidence.verify import verify
    from fleet.store.pool import make_pool
    from livlina.installation import migrate_database, open_database

    files = [*heads]
    if settings.heads_file.exists() and settings.heads_file not in files:
        files.append(settings.heads_file)
    elsewhere = [head for file in files for head in read_heads(file)]
    trusted = public or [settings.evidence_key_file.with_suffix(".pub")]
    if not public and not trusted[0].exists():
        raise SigningKeyError("nothing was signed here yet: start the server, or name a .pub file with --public-key")
    keys = read_public_keys(*trusted)
    with open_database(settings) as database:
        migrate_database(database)

        async def run() -> dict[str, Any]:
            async with (
                make_pool(database.app_url, "evidence", size=1, name="command-line") as pool,
                pool.connection() as connection,
            ):
                return (await verify(connection, keys, elsewhere)).document()

        return asyncio.run(run())


def _lines(document: dict[str, Any]) -> list[str]:
    span = f"{document['first']} to {document['last']}" if document["entries"] else "none"
    lines = [
        f"entries   {document['entries']} ({span})",
        f"heads     {document['heads']}, the newest signs {document['signed_to']}",
        f"unsigned  {document['unsigned']} behind the newest head",
    ]
    lines += [f"pruned    {source} up to {position}" for source, position in sorted(document["pruned"].items())]
    if document["ok"]:
        return [*lines, "sound: nothing was changed, deleted, cut off or made anew"]
    lines += [f"FOUND     {finding['kind']}: {finding['sentence']}" for finding in document["findings"]]
    if document["more_findings"]:
        lines.append(f"          and {document['more_findings']} more")
    return [*lines, f"NOT SOUND: up to {document['trusted_to']} the chain agrees with a signed head"]


@evidence_app.command("prune")
def evidence_prune(
    rules: Annotated[Path | None, typer.Option(help="Retention rules, TOML: see docs/evidence.md.")] = None,
    as_json: Json = False,
) -> None:
    """Take away what is older than its rule. The chain stays verifiable; what has gone is stated and signed."""
    from fleet.evidence.prune import prune
    from fleet.evidence.retention import Retention, RetentionError, read_retention
    from fleet.evidence.signing import SigningKey, SigningKeyError
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.installation import migrate_database, open_database

    settings = settings_or_fail()
    with one_sentence(RetentionError, SigningKeyError):
        wanted = Retention() if rules is None else read_retention(rules.read_text(encoding="utf-8"))
        key = SigningKey.open(settings.evidence_key_file)
        with open_database(settings) as database:
            migrate_database(database)
            gone = prune(database.owner_url, key, wanted, datetime.now(UTC))
    show({"pruned": gone}, as_json)
