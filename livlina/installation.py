"""One installation on this machine: its settings, its database, its certificates and its keys.

This is where embedded defaults are made real: without LIVLINA_DATABASE_URL a PostgreSQL of our own runs as a child,
and the first start makes the certificate authority, the front door's certificate and the key of the unit secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings, SettingsError
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import migrate
from fleet.store.postgres_cluster import APP, DATABASE, OWNER, Passwords
from provisioning.ca import AUTHORITY_FILE, TOKEN_FILE, AuthorityError, CertificateAuthority
from provisioning.files import create_private, replace
from provisioning.issuing import IssuerBook


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways into the database. ``app_login`` is the application's login where the owner has another one.
    ``embedded`` is the child that runs it, when it is ours and we started it."""

    owner_url: str
    app_url: str
    app_login: str | None
    embedded: EmbeddedPostgres | None


@contextmanager
def open_database(settings: Settings, *, share: bool = True) -> Iterator[Database]:
    """The configured database, or the embedded one: started here, unless a running server of ours has it already.

    ``share`` False wants the embedded one for itself, as a server must, which lives on when the other has ended.
    Raises SettingsError for an address that cannot be read, PostgresError where another process has the folder.
    """
    login = _login("LIVLINA_DATABASE_URL", settings.database_url)
    owner = _login("LIVLINA_OWNER_DATABASE_URL", settings.owner_url)
    if settings.database_url is not None:
        separate = login if settings.owner_url is not None and login != owner else None
        yield Database(settings.owner_url or settings.database_url, settings.database_url, separate, None)
        return
    running = _running(settings.data) if share else None
    if running is not None:
        yield running
        return
    postgres = EmbeddedPostgres(settings.data)
    postgres.start()
    try:
        yield Database(postgres.owner_url, postgres.app_url, APP, postgres)
    finally:
        postgres.stop()


def _login(name: str, address: str | None) -> str | None:
    """The login that an address names. Raises SettingsError where it cannot be read."""
    try:
        user = conninfo_to_dict(address or "").get("user")
    except psycopg.ProgrammingError:
        # What the library says repeats the text, password and all.
        raise SettingsError(f"{name} cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    return None if user is None else str(user)


def _running(data: Path) -> Database | None:
    """The embedded database of this folder when another process of ours runs it, else None."""
    try:
        port = int((data / "postgres.port").read_text())
        passwords = Passwords.read(data)
    except (FileNotFoundError, ValueError):
        return None
    if passwords is None:
        return None
    place = f"127.0.0.1:{port}/{DATABASE}"
    found = Database(
        f"postgresql://{OWNER}:{passwords.owner}@{place}", f"postgresql://{APP}:{passwords.app}@{place}", APP, None
    )
    try:
        psycopg.connect(found.owner_url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return None
    return found


def migrate_database(database: Database) -> list[str]:
    """Brings the schema up to this release; returns the names of the files that were applied."""
    return migrate(database.owner_url, app_login=database.app_login)


def open_authority(settings: Settings) -> CertificateAuthority:
    """The certificate authority, and the front door's certificate under it, made on first use."""
    authority = CertificateAuthority.open(settings.authority_folder)
    folder = settings.tls_folder
    if not (folder / "server.pem").exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificate, key = authority.issue_server([settings.tls_name])
        if (folder / "server.key").exists():
            replace(folder / "server.key", key, mode=0o600)
        else:
            create_private(folder / "server.key", key)
        replace(folder / "server.pem", certificate, mode=0o644)
    publish_trust(settings)
    return authority


def open_trust(settings: Settings) -> None:
    """What a server needs of the authority: all of it where the root's key is, else what was issued before it went.

    Raises AuthorityError where the root is elsewhere and has left no certificate for the front door.
    """
    folder, served = settings.authority_folder, (settings.tls_folder / "server.pem").exists()
    # A root in a token is asked for once, when the front door has no certificate yet; then the token may go.
    if (folder / AUTHORITY_FILE).exists() or not (folder / "ca.pem").exists():
        open_authority(settings)
        return
    if not served and (folder / TOKEN_FILE).exists():
        open_authority(settings)
        return
    if not served:
        raise AuthorityError(
            f"{settings.tls_folder} has no certificate for the front door, and the root's key is elsewhere: bring "
            f"{AUTHORITY_FILE} back into {settings.authority_folder} for one start"
        )
    publish_trust(settings)


def publish_trust(settings: Settings) -> None:
    """Tell the front door whom it believes: the root and every station. A running server reads it by itself."""
    settings.tls_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = IssuerBook(settings.authority_folder).trust_pem()
    file = settings.tls_folder / "ca.pem"
    if not file.exists() or file.read_bytes() != wanted:
        replace(file, wanted, mode=0o644)


def open_secret_box(settings: Settings) -> SecretBox:
    """The key of the unit secrets, made on first use. Lose it and no unit can be heard: back it up with keys/."""
    return SecretBox.open(settings.secret_key_file, create=True)
