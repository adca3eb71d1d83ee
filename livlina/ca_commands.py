"""``livlina ca``: the root, stations' credentials under it, and whom the front door believes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.settings import Settings

ca_app = typer.Typer(no_args_is_help=True, help="The certificate authority and workshops' credentials.")
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Name = Annotated[str, typer.Argument(help="The station's name.")]
Token = Annotated[str, typer.Option(help="Where the key is or is to be made: a PKCS #11 URI (RFC 7512).")]
New = Annotated[bool, typer.Option("--new", help="Make the key in the token.")]
LONGEST_DAYS = 90


@ca_app.command("station")
def station_command(
    name: Name,
    out: Annotated[Path, typer.Option(help="The file to write; it goes to the station and nowhere else.")],
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How long it makes units.")] = 7,
    request: Annotated[
        Path | None, typer.Option(help="From `livlina ca request`: the key is the station's.", exists=True)
    ] = None,
    as_json: Json = False,
) -> None:
    """Makes a credential for a station, where the root is. Renewal is a new one before the old one ends."""
    from cryptography import x509

    from livlina.cli import one_sentence, show
    from livlina.installation import open_authority, publish_trust
    from provisioning.files import create_private
    from provisioning.issuing import IssuerBook

    settings = Settings.from_environment()
    now = datetime.now(UTC).replace(microsecond=0)
    with one_sentence():
        authority, ends = open_authority(settings), now + timedelta(days=days)
        content = (authority.issue_issuer(name, now, ends) if request is None
                   else authority.issue_requested(name, request.read_bytes(), now, ends))  # fmt: skip
        create_private(out, content)
        issuer = IssuerBook(settings.authority_folder).accept(x509.load_pem_x509_certificates(content)[0])
        publish_trust(settings)
    show({"station": name, "serial": f"{issuer.serial:x}", "ends": issuer.ends.isoformat(), "file": str(out)}, as_json)


@ca_app.command("request")
def request_command(
    name: Name,
    token: Token,
    out: Annotated[Path, typer.Option(help="The request to write; it goes to where the root is.")],
    new: New = False,
    as_json: Json = False,
) -> None:
    """Asks for a station's credential whose key lies in a token, on the station. Renewal is the same without --new."""
    from livlina.cli import one_sentence, show
    from provisioning.ca import check_station_name, station_request
    from provisioning.files import replace
    from provisioning.token import TokenUri, make_key, open_key

    with one_sentence():
        check_station_name(name)
        uri = TokenUri.read(token)
        replace(out, station_request(name, make_key(uri) if new else open_key(uri)), mode=0o644)
    show({"station": name, "token": uri.token, "key": uri.key, "file": str(out)}, as_json)


@ca_app.command("accept")
def accept_command(
    certificate: Annotated[Path, typer.Argument(help="A station's certificate, PEM.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """Makes a station known to this fleet, where the root's key is elsewhere. The front door believes it at once."""
    from cryptography import x509

    from livlina.cli import one_sentence, show
    from livlina.installation import publish_trust
    from provisioning.issuing import IssuerBook

    settings = Settings.from_environment()
    with one_sentence(ValueError):
        issuer = IssuerBook(settings.authority_folder).accept(x509.load_pem_x509_certificate(certificate.read_bytes()))
        publish_trust(settings)
    show({"station": issuer.name, "serial": f"{issuer.serial:x}", "ends": issuer.ends.isoformat()}, as_json)


@ca_app.command("stations")
def stations_command(as_json: Json = False) -> None:
    """Every credential that this fleet has known."""
    from livlina.cli import one_sentence, show
    from provisioning.issuing import IssuerBook

    with one_sentence():
        issuers = IssuerBook(Settings.from_environment().authority_folder).issuers()
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {"station": one.name, "serial": f"{one.serial:x}", "ends": one.ends.isoformat(), "revoked": one.revoked,
         "makes_units": one.revoked is None and one.begins <= now < one.ends}
        for one in issuers
    ]  # fmt: skip
    if as_json:
        show({"stations": rows}, True)
        return
    show({f"{row['station']} {row['serial'][:8]}": f"revoked: {row['revoked']}" if row["revoked"] else
          f"until {row['ends']}" for row in rows}, False)  # fmt: skip


@ca_app.command("revoke")
def revoke_command(
    name: Name,
    why: Annotated[str, typer.Option(help="The reason, for whoever asks later.")],
    units: Annotated[bool, typer.Option("--units", help="End every unit that it has made, too.")] = False,
    as_json: Json = False,
) -> None:
    """A station makes no more units. Those that it has made go on, but with --units."""
    from livlina.cli import one_sentence, show
    from livlina.unit_life import revoke_units_of
    from provisioning.issuing import IssuerBook

    settings = Settings.from_environment()
    with one_sentence():
        ended = IssuerBook(settings.authority_folder).revoke(name, why)
        gone = revoke_units_of(settings, name) if units else []
    show({"station": name, "ended": [f"{one.serial:x}" for one in ended], "units": gone}, as_json)


@ca_app.command("units")
def units_command(
    name: Name,
    ledger: Annotated[Path, typer.Option(help="Its ledger: `livlina provision ledger --export`.", exists=True)],
    key: Annotated[Path, typer.Option(help="Its ledger.pub, got by another way.", exists=True)],
    as_json: Json = False,
) -> None:
    """Tells the registry which units a station has made, from its ledger, where the registry does not know. So that
    `livlina ca revoke NAME --units` finds units that were made before the registry kept it, or elsewhere."""
    from livlina.cli import one_sentence, show
    from livlina.unit_life import tell_makers
    from provisioning.ca import check_station_name
    from provisioning.ledger import LedgerError, read_public_key, verified

    with one_sentence(LedgerError):
        check_station_name(name)
        rows = verified(ledger.read_bytes(), read_public_key(key.read_bytes()))
        units, orders = tell_makers(Settings.from_environment(), name, rows)
    show({"station": name, "lines": len(rows), "units": units, "orders_told": len(orders)}, as_json)


@ca_app.command("root")
def root_command(token: Token, new: New = False, as_json: Json = False) -> None:
    """Makes a new fleet's root with its key in a token, which then goes to the safe. The key cannot be copied out:
    where it is lost no more units can be made, and those that are made go on."""
    from livlina.cli import one_sentence, show
    from livlina.installation import open_authority
    from provisioning.ca import CertificateAuthority
    from provisioning.token import TokenUri, make_key, open_key

    settings = Settings.from_environment()
    with one_sentence():
        uri = TokenUri.read(token)
        key = make_key(uri) if new else open_key(uri)
        CertificateAuthority.create_in_token(settings.authority_folder, key, token)
        open_authority(settings)
    show({"root": str(settings.authority_folder / "ca.pem"), "token": uri.token, "key": uri.key}, as_json)


@ca_app.command("boot-key")
def boot_key_command(token: Token, new: New = False, as_json: Json = False) -> None:
    """A secure boot key in a token: makes it, or looks at it. `livlina provision run --boot-key` takes the same URI."""
    from livlina.cli import one_sentence, show
    from provisioning.boot_key import make_in_token, open_boot_key
    from provisioning.token import TokenUri
    from provisioning.tool import ToolError

    with one_sentence(ToolError):
        uri = TokenUri.read(token)
        key = make_in_token(uri) if new else open_boot_key(token)
        digest = key.digest()
    show({"token": uri.token, "digest": digest.hex()}, as_json)


@ca_app.command("take-root")
def take_root_command(
    to: Annotated[Path, typer.Argument(help="A folder on the medium that goes to the safe.")],
    as_json: Json = False,
) -> None:
    """Takes the root's key off this machine. Bring authority.pem back into the authority's folder to use it."""
    from livlina.cli import one_sentence, show
    from livlina.installation import open_authority
    from provisioning.ca import AUTHORITY_FILE, TOKEN_FILE, AuthorityError
    from provisioning.files import create_private

    settings = Settings.from_environment()
    with one_sentence():
        if (settings.authority_folder / TOKEN_FILE).exists():
            raise AuthorityError("the root's key is in a token: take the token")
        open_authority(settings)  # The front door's certificate is there before the key goes.
        here = settings.authority_folder / AUTHORITY_FILE
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_private(to / AUTHORITY_FILE, here.read_bytes())
        here.unlink()
    show({"root": str(to / AUTHORITY_FILE), "left": str(settings.authority_folder / "ca.pem")}, as_json)
