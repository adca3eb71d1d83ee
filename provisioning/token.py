"""A root's or a station's key in a PKCS #11 token: it signs there and never comes out. Thin, over python-pkcs11.

A token is named by a URI (RFC 7512): `pkcs11:token=bench-1;object=issuing?module-path=/usr/lib/.../libsofthsm2.so&
pin-source=/path/to/a/file`. The PIN lies in a file of mode 0600; a URI with the PIN itself in it is refused, since
command lines are read by others. Keys are P-256. Several threads may sign; they take turns.
"""

from __future__ import annotations

import hashlib
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from provisioning.ca import AuthorityError

_PATH = ("token", "object")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True)
class TokenUri:
    """Which key, in which token, reached by which library; `pin` is the file that holds the PIN."""

    token: str
    key: str
    module: Path
    pin: Path

    @classmethod
    def read(cls, text: str) -> TokenUri:
        """From its text. Raises AuthorityError."""
        scheme, found, rest = text.partition(":")
        path, _, query = rest.partition("?")
        if scheme != "pkcs11" or not found:
            raise AuthorityError(
                f"{text!r} names no token: write pkcs11:token=..;object=..?module-path=..&pin-source=.."
            )
        parts = {**_attributes(path, ";", _PATH), **_attributes(query, "&", _QUERY)}
        missing = [name for name in (*_PATH, *_QUERY) if not parts.get(name)]
        if missing:
            raise AuthorityError(f"the token's URI lacks {', '.join(missing)}")
        pin = parts["pin-source"].removeprefix("file://").removeprefix("file:")
        return cls(parts["token"], parts["object"], Path(parts["module-path"]), Path(pin))


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key in a token, as `cryptography` signs certificates with. Its bytes cannot be had."""

    def __init__(self, private: Any, public: ec.EllipticCurvePublicKey) -> None:
        """Use `open_key` or `make_key`."""
        self._private = private
        self._public = public
        self._turn = threading.Lock()

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The other half."""
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA over SHA-256, DER. Raises AuthorityError if the token does not."""
        from pkcs11 import Mechanism, PKCS11Error

        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(
            signature_algorithm.algorithm, hashes.SHA256
        ):
            raise AuthorityError("a token's key signs with ECDSA over SHA-256 and nothing else")
        try:
            with self._turn:
                raw = self._private.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA)
        except PKCS11Error as error:
            raise AuthorityError(f"the token did not sign ({type(error).__name__}): is it plugged in?") from error
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Not what the key is for."""
        _stays()

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Cannot be had."""
        _stays()

    def private_bytes(self, *_: Any, **__: Any) -> bytes:
        """Cannot be had."""
        _stays()

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> TokenKey:
        return self


def open_key(uri: TokenUri) -> TokenKey:
    """The key that is in the token. Raises AuthorityError."""
    private, public = halves(uri, "EC")
    from pkcs11 import Attribute

    return TokenKey(private, _public(bytes(public[Attribute.EC_POINT])))


def make_key(uri: TokenUri) -> TokenKey:
    """A new key, made in the token, which never gives it out. Raises AuthorityError, also if the name is taken."""
    session = session_for_new(uri)
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
    public, private = domain.generate_keypair(store=True, label=uri.key, private_template=hidden())
    return TokenKey(private, _public(bytes(public[Attribute.EC_POINT])))


def halves(uri: TokenUri, kind: str) -> tuple[Any, Any]:
    """The private and the public key of this name, of kind EC or RSA. Raises AuthorityError."""
    session = _session(uri)
    from pkcs11 import KeyType, NoSuchKey, ObjectClass

    try:
        private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=uri.key)
        public = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=uri.key)
    except NoSuchKey:
        raise AuthorityError(
            f"token {uri.token} holds no key {uri.key}: make it first (--new), or name another"
        ) from None
    if private.key_type != KeyType[kind]:
        raise AuthorityError(f"key {uri.key} of token {uri.token} is no {kind} key: it is meant for something else")
    return private, public


def session_for_new(uri: TokenUri) -> Any:
    """A session in which a key of this name can be made. Raises AuthorityError, also if the name is taken."""
    session = _session(uri)
    from pkcs11 import Attribute

    if list(session.get_objects({Attribute.LABEL: uri.key})):
        raise AuthorityError(f"token {uri.token} has a key {uri.key} already: name another one, or use that")
    return session


def hidden() -> dict[Any, bool]:
    """What makes a private key one that its token never gives out."""
    from pkcs11 import Attribute

    return {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


def _session(uri: TokenUri) -> Any:
    """Open; the others import from the library only after it, for what is missing to be said by a sentence."""
    try:
        import pkcs11
    except ImportError:
        raise AuthorityError("keys in tokens need python-pkcs11: make provision-setup, or pip install "
                             "'livlina[provision]'") from None  # fmt: skip
    try:
        token = pkcs11.lib(str(uri.module)).get_token(token_label=uri.token)
        try:
            return token.open(user_pin=_pin(uri.pin), rw=True)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open(rw=True)  # By this process: the library knows one login for all its sessions.
    except pkcs11.NoSuchToken:
        raise AuthorityError(f"{uri.module} knows no token {uri.token}: is it plugged in?") from None
    except pkcs11.PinIncorrect:
        raise AuthorityError(
            f"the PIN in {uri.pin} is not that of token {uri.token}: tokens lock after some tries"
        ) from None
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise AuthorityError(f"{uri.module} cannot be used: {str(error) or type(error).__name__}") from error


def _pin(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise AuthorityError(f"{path} can be read by other users, and holds a PIN: chmod 600, and change the PIN")
        return path.read_text().strip()
    except OSError as error:
        raise AuthorityError(f"{path} holds no PIN: {error.strerror}") from error


def _public(point: bytes) -> ec.EllipticCurvePublicKey:
    """From CKA_EC_POINT: the point in a DER OCTET STRING of a length below 128."""
    return ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), point[2:] if point[0] == 4 and point[1] == len(point) - 2 else point
    )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for part in text.split(separator) if text else ():
        name, _, value = part.partition("=")
        if name == "pin-value":
            raise AuthorityError(
                "a PIN in a command line is read by others: put it into a file, and name it in pin-source"
            )
        if name not in known:
            raise AuthorityError(f"{name!r} in a token's URI is not known here: known are {', '.join(_PATH + _QUERY)}")
        found[name] = unquote(value)
    return found


def _stays() -> NoReturn:
    raise AuthorityError("this key is in a token and stays there")
