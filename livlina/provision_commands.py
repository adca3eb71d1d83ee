"""``livlina provision``: what a workshop does to boards."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from livlina import provision_station_commands

provision_app = typer.Typer(no_args_is_help=True, help="Making boards units.")
provision_station_commands.register(provision_app)
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


_TOOLS = {"esptool": "esptool", "esp_idf_nvs_partition_gen": "esp-idf-nvs-partition-gen", "littlefs": "littlefs-python"}


@provision_app.callback()
def _tools() -> None:
    """Making boards units."""
    from livlina.cli import fail

    missing = [package for module, package in _TOOLS.items() if find_spec(module) is None]
    if missing:
        fail(f"this machine is no workshop yet, without {', '.join(missing)}. In a checkout: make provision-setup; "
             "elsewhere: pip install 'livlina[provision]'")  # fmt: skip


@provision_app.command("plan")
def plan_command(
    order: Annotated[Path, typer.Argument(help="The order, a TOML file.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """What is done to each board of an order, and what cannot be undone. Touches nothing."""
    from livlina.cli import one_sentence, show
    from livlina.provision_order import OrderError, read_order
    from provisioning.plan import PlanError, plan

    with one_sentence(OrderError, PlanError):
        wanted, kind = read_order(order)
        steps = plan(wanted, kind)
    if as_json:
        rows = [
            {"name": step.name, "says": step.says, "hands": step.hands, "for_good": step.for_good} for step in steps
        ]
        show({"order": wanted.number, "board": kind.name, "quantity": wanted.quantity, "steps": rows}, True)
        return
    lines = {
        f"{number} {step.name}": f"{step.says}.{' Cannot be undone.' if step.for_good else ''} {step.hands}".rstrip()
        for number, step in enumerate(steps, 1)
    }
    show({"order": f"{wanted.number}: {wanted.quantity} x {kind.name}", **lines}, False)


@provision_app.command("verify")
def verify_command(
    port: Annotated[str, typer.Option(help="The board's port: /dev/ttyUSB0, COM3, socket://host:port.")],
    ledger: Annotated[Path, typer.Option(help="The station's ledger folder.", exists=True, file_okay=False)],
    chip: Annotated[str, typer.Option(help="The chip, as esptool names it.")] = "esp32s3",
    as_json: Json = False,
) -> None:
    """Whether the board on a port is, byte for byte, what the ledger says. Changes nothing."""
    from livlina.cli import one_sentence, show
    from provisioning.flash_esptool import Port
    from provisioning.ledger import Ledger, LedgerError
    from provisioning.tool import ToolError
    from provisioning.verify import verify

    with one_sentence(ToolError, LedgerError):
        verdict = verify(Port(port, chip), Ledger(ledger))
    unit = None if verdict.unit is None else f"{verdict.unit:08x}"
    show({"mac": verdict.mac, "unit": unit, "passes": verdict.passes, "faults": list(verdict.faults)}, as_json)
    if not verdict.passes:
        raise SystemExit(1)


@provision_app.command("demo")
def demo_command(
    boards: Annotated[int, typer.Option(min=1, max=64, help="How many virtual boards.")] = 3,
    app_bytes: Annotated[
        int, typer.Option(min=1000, max=1_900_000, help="Of MicroPython's stand-in; MicroPython has some 1.6 million.")
    ] = 1_600_000,
    without: Annotated[
        list[str] | None,
        typer.Option(help="2:sim1: the second board lacks a part until it has failed once. May be given again."),
    ] = None,
    board: Annotated[str | None, typer.Option(help="A board of hardware/: its flash, modem and parts.")] = None,
    page: Annotated[bool, typer.Option("--page", help="You work at the bench's page, whose link is shown.")] = False,
    as_json: Json = False,
) -> None:
    """Virtual boards made units by the real tools, several at once, each until an operator has taken its press."""
    from livlina.checkout import enter_checkout
    from livlina.cli import fail, one_sentence, show

    with one_sentence():
        root = enter_checkout()
    from livlina.hardware.board import HardwareError, read
    from livlina.provision_demo import AT_ONCE, VIRTUAL, Wishes, kit_of, run_demo
    from livlina.provision_hand import MissingPartError, missing_parts

    if page and boards > AT_ONCE:
        fail(f"a page has room for {AT_ONCE} boards here: name so many or fewer")
    with one_sentence(MissingPartError, HardwareError):
        kit = VIRTUAL if board is None else kit_of(read(root, board))
        wishes = Wishes(boards, app_bytes, missing_parts(without or [], boards), page, kit)

    def say(text: str) -> None:
        typer.echo(text, err=True)

    from fleet.store.embedded_postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="livlina-provision-") as name, one_sentence():
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user must be able to enter it
        try:
            document = run_demo(wishes, folder, say)
        finally:
            EmbeddedPostgres(folder / "house").destroy()
    if as_json:
        show(document, True)
    else:
        checks = {check["name"]: f"{check['value']} (wanted {check['limit']})" for check in document["checks"]}
        passed = "yes" if document["passed"] else "no"
        show({"passed": passed, "micropython": document["micropython"], **checks}, False)
    if not document["passed"]:
        raise SystemExit(1)
