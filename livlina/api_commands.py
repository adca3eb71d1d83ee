"""``livlina api``: the document of the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

api_app = typer.Typer(no_args_is_help=True, help="The REST API: see docs/api.md.")


@api_app.callback()
def api() -> None:
    """Keeps the group a group while it has one command."""


@api_app.command("openapi")
def api_openapi(
    out: Annotated[Path | None, typer.Option(help="File to write; without it standard output.")] = None,
    check: Annotated[Path | None, typer.Option(help="A file that must hold the same; exit 1 if it does not.")] = None,
) -> None:
    """The OpenAPI document of this release."""
    from fleet.web.api.app import make_api, openapi
    from livlina.cli import fail, one_sentence

    text = json.dumps(openapi(make_api(None, None)), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    with one_sentence():
        if check is not None:
            if check.read_text(encoding="utf-8") != text:
                fail(f"{check} is not this release's: write it with `livlina api openapi --out {check}`")
        elif out is not None:
            out.write_text(text, encoding="utf-8")
        else:
            typer.echo(text, nl=False)
