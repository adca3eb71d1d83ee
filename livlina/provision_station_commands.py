"""``livlina provision run`` and what a workshop does to boards later: back, repair, close, return, scrap."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
StationFolder = Annotated[Path, typer.Option("--station", help="The station's folder: numbers, journals, ledger.")]
Chip = Annotated[str, typer.Option(help="The chip, as esptool names it.")]
Why = Annotated[str, typer.Option(help="The reason, for the ledger.")]
MaybePort = Annotated[str | None, typer.Option(help="The board's port, if it still answers: its flash is erased.")]


@contextlib.contextmanager
def _fleet(board: str) -> Iterator[Any]:
    """The fleet's registry, a RegistryFleet, as the settings say, as long as it is used."""
    from fleet.settings import Settings
    from livlina.installation import migrate_database, open_database, open_secret_box
    from livlina.provision_fleet import RegistryFleet
    from provisioning.issuing import IssuerBook

    settings = Settings.from_environment()
    with open_database(settings) as database:
        migrate_database(database)
        yield RegistryFleet(
            database.app_url, open_secret_box(settings), board,
            production=settings.production, issuers=IssuerBook(settings.authority_folder),
        )  # fmt: skip


def run_command(
    order: Annotated[Path, typer.Argument(help="The order, a TOML file.", exists=True, dir_okay=False)],
    port: Annotated[list[str], typer.Option(help="A board's port; several boards: give it several times.")],
    station: StationFolder,
    image: Annotated[Path, typer.Option(help="MicroPython's official image.", exists=True, dir_okay=False)],
    manifest: Annotated[Path, typer.Option(help="Images that may be used, JSON.", exists=True, dir_okay=False)],
    firmware: Annotated[Path, typer.Option(help="From `livlina provision firmware`.", exists=True, dir_okay=False)],
    boot_key: Annotated[
        str | None, typer.Option(help="The secure boot key, for production boards: a PEM file or a PKCS #11 URI.")
    ] = None,
    credential: Annotated[
        Path | None, typer.Option(help="The station's credential, where the root is not here.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="The PKCS #11 URI of the credential's key, where that lies in a token.")
    ] = None,
    label: Annotated[str, typer.Option(help="The label's size in mm: 25x12, 38x19, 50x25 or 62x29.")] = "38x19",
    first: Annotated[int, typer.Option(min=1, help="The first unit number of this station.")] = 1,
    baud: Annotated[int, typer.Option(min=9600, help="Of the cable.")] = 921_600,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for a first heartbeat.")] = 120.0,
    page: Annotated[
        bool, typer.Option("--page", help="A page in the browser: board after board, until the work is ended there.")
    ] = False,
    page_port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0: a free one.")] = 0,
    as_json: Json = False,
) -> None:
    """Makes the boards on these ports units of the fleet. May be given again at any time: it goes on where it was."""
    from rich.console import Console

    from livlina.cli import fail, one_sentence, show
    from livlina.provision_order import OrderError, read_order
    from livlina.provision_page import bench_of, run_at_page, served
    from livlina.provision_run import Materials, TerminalScreen, run_order
    from provisioning.boot_key import open_boot_key
    from provisioning.firmware_image import FirmwareError, load, signed
    from provisioning.flash_esptool import Port
    from provisioning.ledger import Ledger, LedgerError
    from provisioning.pace import LEAST_AN_HOUR
    from provisioning.partition_table import layout
    from provisioning.plan import PlanError, plan
    from provisioning.seal import sealed
    from provisioning.station import Station
    from provisioning.tool import ToolError

    with one_sentence(OrderError, PlanError, FirmwareError, LedgerError, ToolError):
        wanted, kind = read_order(order)
        steps = plan(wanted, kind)
        signer = _signer(credential, token)
        parts, romfs = layout(kind.flash_bytes, sealed=wanted.production), firmware.read_bytes()
        python = load(image, manifest, kind.chip, kind.bootloader, parts)
        if wanted.production:
            if boot_key is None:
                fail("an order for production boards needs --boot-key: the key that signs their images")
            python = signed(sealed(python, romfs, parts), open_boot_key(boot_key), station / "signed", parts)
        with _fleet(kind.name) as fleet:
            materials = Materials(
                station, Station(station, signer, first),
                Ledger(station / "ledger"), fleet, python, romfs,
                python.signed_by, label, patience,
            )  # fmt: skip
            ports = [Port(url, kind.chip, baud) for url in port]
            if page:
                log = bench_of(materials, wanted, ports)
                with served(log, station / "labels", lambda words: typer.echo(words, err=True), page_port):
                    document = run_at_page(materials, wanted, kind, ports, steps, log)
            else:
                with contextlib.closing(TerminalScreen(Console(stderr=True, highlight=False), port, steps)) as screen:
                    document = run_order(materials, wanted, kind, ports, screen)
    if as_json:
        show(document, True)
    else:
        rows = {str(one["port"]): f"{one['label']} passes" if one["passed"] else one["reason"]
                for one in document["boards"]}  # fmt: skip
        pace = f"{document['boards_an_hour']} at {len(port)} cables of {baud} baud, by computation"
        if document["boards_an_hour"] < LEAST_AN_HOUR:
            pace += f"; {LEAST_AN_HOUR} are wanted: more cables at once, or a faster --baud"
        show({"order": f"{wanted.number}: {document['made']} of {document['ordered']} made", **rows,
              "boards an hour and person": pace}, False)  # fmt: skip
    if not document["passed"]:
        raise SystemExit(1)


def _signer(credential: Path | None, token: str | None) -> Any:
    """Who signs the units: the root, or a station's credential. Raises AuthorityError."""
    from fleet.settings import Settings
    from livlina.installation import open_authority
    from provisioning.ca import AuthorityError
    from provisioning.issuing import StationCredential
    from provisioning.token import TokenUri, open_key

    if credential is None:
        if token is not None:
            raise AuthorityError("--token is the key of a --credential: name both")
        return open_authority(Settings.from_environment())
    return StationCredential(credential, lambda: datetime.now(UTC), open_key(TokenUri.read(token)) if token else None)


def firmware_command(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    board: Annotated[
        str | None, typer.Option(help="The board whose pin map goes in: a name of firmware/boards.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The firmware of this checkout as the image that goes onto boards; without a board only virtual ones run it."""
    import hashlib
    import tempfile

    from livlina.checkout import enter_checkout
    from livlina.cli import one_sentence, show

    with one_sentence():
        enter_checkout()
    from livlina.provision_demo import firmware_rom
    from sim.firmware_build import ROOT, BuildError, build_firmware

    with one_sentence(BuildError):
        with tempfile.TemporaryDirectory(prefix="livlina-firmware-") as folder:
            content = firmware_rom(build_firmware(ROOT / "build/firmware"), Path(folder), board)
        out.write_bytes(content)
    show({"file": str(out), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}, as_json)


def back_command(
    mac: Annotated[str, typer.Option(help="The board, as `livlina provision unfinished` names it.")],
    station: StationFolder,
    port: MaybePort = None,
    chip: Chip = "esp32s3",
    as_json: Json = False,
) -> None:
    """Takes back the identity of a board that will not be finished: the fleet forgets it, its number is used up."""
    from livlina.cli import one_sentence, show
    from provisioning.flash_esptool import Port
    from provisioning.journal import JournalError
    from provisioning.ledger import Ledger, LedgerError
    from provisioning.run import Office, RunError, take_back
    from provisioning.station import Station
    from provisioning.tool import ToolError

    with one_sentence(RunError, ToolError, LedgerError, JournalError), _fleet("") as fleet:
        office = Office(Station(station, None), Ledger(station / "ledger"), fleet, lambda: datetime.now(UTC))
        unit = take_back(office, mac, Port(port, chip) if port else None)
    show({"mac": mac, "unit": None if unit is None else f"{unit:08x}"}, as_json)


def unfinished_command(station: StationFolder, as_json: Json = False) -> None:
    """The boards of this station that were begun and neither finished nor taken back."""
    from livlina.cli import one_sentence, show
    from provisioning.station import Station

    with one_sentence():
        boards = Station(station, None).unfinished()
    show({"unfinished": boards}, as_json)


def return_command(
    mac: Annotated[str, typer.Option(help="The board's MAC, as the ledger has it.")],
    station: StationFolder,
    why: Why,
    port: MaybePort = None,
    chip: Chip = "esp32s3",
    as_json: Json = False,
) -> None:
    """A board comes back to the workshop: its unit ends, and the board may be provisioned anew."""
    _end("returned", mac, station, why, port, chip, as_json)


def scrap_command(
    mac: Annotated[str, typer.Option(help="The board's MAC, as the ledger has it.")],
    station: StationFolder,
    why: Why,
    port: MaybePort = None,
    chip: Chip = "esp32s3",
    as_json: Json = False,
) -> None:
    """A board ends for good: its unit with it."""
    _end("scrapped", mac, station, why, port, chip, as_json)


def repair_command(
    port: Annotated[str, typer.Option(help="The board's port.")],
    station: StationFolder,
    why: Why,
    chip: Chip = "esp32s3",
    as_json: Json = False,
) -> None:
    """A board was repaired and is still the unit that it was: it is checked, and the ledger says what was done."""
    from provisioning.endings import repaired
    from provisioning.flash_esptool import Port
    from provisioning.ledger import Ledger

    _show_row(lambda: repaired(Ledger(station / "ledger"), Port(port, chip), why, lambda: datetime.now(UTC)), as_json)


def close_command(
    port: Annotated[str, typer.Option(help="The board's port.")],
    station: StationFolder,
    why: Why,
    for_good: Annotated[bool, typer.Option("--for-good", help="It cannot be undone.")] = False,
    chip: Chip = "esp32s3",
    as_json: Json = False,
) -> None:
    """A production board that passes takes no cable any more: nobody reads, writes, repairs or takes it back by one."""
    from livlina.cli import fail
    from provisioning.endings import close
    from provisioning.flash_esptool import Port
    from provisioning.ledger import Ledger

    if not for_good:
        fail("this cannot be undone, and a closed board can only be used or scrapped: say --for-good")
    _show_row(lambda: close(Ledger(station / "ledger"), Port(port, chip), why, lambda: datetime.now(UTC)), as_json)


def ledger_command(
    station: Annotated[Path | None, typer.Option(help="The station's folder.", exists=True, file_okay=False)] = None,
    export: Annotated[Path | None, typer.Option(help="Write the station's ledger to this file.")] = None,
    file: Annotated[Path | None, typer.Option(help="An export, to be checked.", exists=True, dir_okay=False)] = None,
    key: Annotated[Path | None, typer.Option(help="Its station's ledger.pub.", exists=True, dir_okay=False)] = None,
    as_json: Json = False,
) -> None:
    """Verifies every line of a station's ledger, or of an export, and counts what was done; exports a station's."""
    from collections import Counter

    from livlina.cli import fail, one_sentence, show
    from provisioning.files import replace
    from provisioning.ledger import Ledger, LedgerError, read_public_key, verified

    if (
        (station is None) == (file is None)
        or (file is None) != (key is None)
        or (export is not None and file is not None)
    ):
        fail("name a station, or an export and the public key of its station")
    with one_sentence(LedgerError):
        if file is not None and key is not None:
            rows = verified(file.read_bytes(), read_public_key(key.read_bytes()))
        else:
            assert station is not None
            ledger = Ledger(station / "ledger")
            rows = ledger.rows()
            if export is not None:
                replace(export, ledger.export(), mode=0o644)
    counts = Counter(row.kind for row in rows)
    show({"lines": len(rows), "last": rows[-1].at if rows else None, **dict(sorted(counts.items()))}, as_json)


def _end(kind: str, mac: str, station: Path, why: str, port: str | None, chip: str, as_json: bool) -> None:
    from provisioning.endings import end
    from provisioning.flash_esptool import Port
    from provisioning.ledger import Ledger

    def work() -> Any:
        cable = Port(port, chip) if port else None
        with _fleet("") as fleet:
            return end(Ledger(station / "ledger"), fleet, kind, mac, why, lambda: datetime.now(UTC), cable)

    _show_row(work, as_json)


def _show_row(work: Callable[[], Any], as_json: bool) -> None:
    """What was done to a board, and the ledger's row of it."""
    from livlina.cli import one_sentence, show
    from provisioning.ledger import LedgerError
    from provisioning.run import RunError
    from provisioning.tool import ToolError

    with one_sentence(RunError, ToolError, LedgerError):
        row = work()
    show({"ledger": row.n, "mac": row.mac, "unit": f"{row.unit:08x}", "kind": row.kind}, as_json)


def register(app: typer.Typer) -> None:
    """Puts the commands onto ``livlina provision``."""
    for name, command in (
        ("run", run_command), ("firmware", firmware_command), ("unfinished", unfinished_command),
        ("back", back_command), ("ledger", ledger_command), ("repair", repair_command), ("close", close_command),
        ("return", return_command), ("scrap", scrap_command),
    ):  # fmt: skip
        app.command(name)(command)
