"""One frozen settings object, read once from the environment by the composition root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and says what it should be."""


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise SettingsError(f"{name}={text!r} is no port: give a number from 0 to 65535 (0 lets the system choose)")
    return int(text)


def _flag(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name) or "0"
    if text not in ("0", "1"):
        raise SettingsError(f"{name}={text!r} is neither 0 nor 1")
    return text == "1"


def _gateway(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name) or None
    if text is not None and "{to}" not in text:
        # Never the text itself: it holds a secret.
        raise SettingsError(f"{name} has no {{to}} where the recipient's number or address belongs")
    return text


@dataclass(frozen=True, slots=True)
class Settings:
    """What the fleet server needs to know before it starts.

    ``database_url`` is the application's login; ``owner_url`` the schema owner's, used by ``migrate`` only.
    Both are None when the embedded PostgreSQL under ``data`` is to be used. Every listener binds to loopback unless
    ``listen`` says otherwise. ``hooks_port`` opens the SMS gateways' door; None leaves it shut.
    ``sip_port`` and ``sip_tls_port`` open the door at which centres report by SCAIP.
    ``heads_url`` and ``heads_mail`` are where signed heads of the record are sent besides their file.
    ``production`` says that people rely on this fleet: it takes no development boards.
    Passwords inside the URLs are never printed: use ``repr`` freely.
    """

    data: Path
    database_url: str | None = field(default=None, repr=False)
    owner_url: str | None = field(default=None, repr=False)
    http_port: int = 8080
    mqtt_port: int = 8883
    coap_port: int = 5683
    listen: str = "127.0.0.1"
    http_listen: str = "127.0.0.1"
    hooks_port: int | None = None
    hooks_listen: str = "127.0.0.1"
    sip_port: int | None = None
    sip_tls_port: int | None = None
    sip_listen: str = "127.0.0.1"
    tls_name: str = "fleet.livlina"
    sms_gateway: str | None = field(default=None, repr=False)
    mail_gateway: str | None = field(default=None, repr=False)
    heads_url: str | None = field(default=None, repr=False)
    heads_mail: str | None = field(default=None, repr=False)
    production: bool = False

    @property
    def tls_folder(self) -> Path:
        """Holds ca.pem, server.pem and server.key for the MQTT front door."""
        return self.data / "tls"

    @property
    def authority_folder(self) -> Path:
        """The certificate authority of provisioning; the fleet server itself never reads it."""
        return self.data / "authority"

    @property
    def secret_key_file(self) -> Path:
        """The key outside the database under which unit secrets are stored."""
        return self.data / "keys" / "unit-secrets.key"

    @property
    def evidence_key_file(self) -> Path:
        """The key that signs the heads of the record; its public part lies beside it."""
        return self.data / "keys" / "evidence-signing.key"

    @property
    def heads_file(self) -> Path:
        """The signed heads of the record, kept outside the database."""
        return self.data / "evidence" / "heads.jsonl"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Reads LIVLINA_*. Raises SettingsError."""
        env = os.environ if environment is None else environment
        listen = env.get("LIVLINA_LISTEN", "127.0.0.1")
        return cls(
            data=Path(env.get("LIVLINA_DATA") or "./var").absolute(),
            database_url=env.get("LIVLINA_DATABASE_URL") or None,
            owner_url=env.get("LIVLINA_OWNER_DATABASE_URL") or env.get("LIVLINA_DATABASE_URL") or None,
            http_port=_port(env, "LIVLINA_HTTP_PORT", 8080),
            mqtt_port=_port(env, "LIVLINA_MQTT_PORT", 8883),
            coap_port=_port(env, "LIVLINA_COAP_PORT", 5683),
            listen=listen,
            http_listen=env.get("LIVLINA_HTTP_LISTEN", "127.0.0.1"),
            sms_gateway=_gateway(env, "LIVLINA_SMS_GATEWAY"),
            mail_gateway=_gateway(env, "LIVLINA_MAIL_GATEWAY"),
            heads_url=env.get("LIVLINA_HEADS_URL") or None,
            heads_mail=env.get("LIVLINA_HEADS_MAIL") or None,
            hooks_port=_port(env, "LIVLINA_HOOKS_PORT", 0) if env.get("LIVLINA_HOOKS_PORT") else None,
            hooks_listen=env.get("LIVLINA_HOOKS_LISTEN", "127.0.0.1"),
            sip_port=_port(env, "LIVLINA_SIP_PORT", 0) if env.get("LIVLINA_SIP_PORT") else None,
            sip_tls_port=_port(env, "LIVLINA_SIP_TLS_PORT", 0) if env.get("LIVLINA_SIP_TLS_PORT") else None,
            sip_listen=env.get("LIVLINA_SIP_LISTEN", "127.0.0.1"),
            production=_flag(env, "LIVLINA_PRODUCTION"),
        )
