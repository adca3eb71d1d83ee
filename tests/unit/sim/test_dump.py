"""The search for secrets in a flash: it finds each form in which a program may leave one, in old blocks too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from littlefs import LittleFS

from provisioning import littlefs_image
from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity, write_flash
from sim.board_rom.dump import searched, secrets_in, unprotected

SECRET = bytes.fromhex("8f3a00c4d1e27795b06b1cfe42a9d538")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "bytes": bytes,
    "reversed": lambda value: value[::-1],
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "hex with colons": lambda value: value.hex(":").encode(),
    "C": lambda value: ", ".join(f"0x{byte:02X}" for byte in value).encode(),
    "utf-16": lambda value: value.hex().encode("utf-16-le"),
    "numbers": lambda value: json.dumps(list(value)).encode(),
    "a printed object": lambda value: repr(value).encode(),
    "base64": base64.b64encode,
    "base64 in a longer one": lambda value: base64.b64encode(b"key=" + value + b";"),
    "base64 shifted twice": lambda value: base64.b64encode(b"ab" + value + b";"),
    "url base64": lambda value: base64.urlsafe_b64encode(b"x" + value),
    "half of it written over": lambda value: value[:12] + bytes(4),
}


@pytest.mark.parametrize("form", FORMS)
@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_a_secret_is_found_in_each_form_and_without_it_nothing(form: str, before: bytes, after: bytes) -> None:
    secrets = {"secret": SECRET}
    assert searched(before + FORMS[form](SECRET) + after, secrets)
    assert searched(before + FORMS[form](bytes(range(100, 116))) + after, secrets) == []


def test_a_file_that_was_removed_and_written_over_is_found_in_its_old_block() -> None:
    system = LittleFS(block_size=4096, block_count=128, read_size=32, prog_size=32, lookahead_size=32)
    for name, content in (("note", SECRET.hex() * 200), ("other", "x" * 5000)):
        with system.open(name, "w") as file:
            file.write(content)
    system.remove("note")
    for _ in range(20):
        with system.open("other", "w") as file:
            file.write("y" * 5000)
    image = bytes(system.context.buffer)
    assert list(littlefs_image.read(image)) == ["other"]
    assert {one.form for one in searched(image, {"secret": SECRET})} == {"hex"}
    assert searched(littlefs_image.build({"other": b"y" * 5000}, len(image)), {"secret": SECRET}) == []


def test_what_is_named_as_open_is_allowed_in_its_place_and_form_only(tmp_path) -> None:
    authority = CertificateAuthority.create(tmp_path / "ca")
    write_flash(tmp_path / "flash", make_identity(7), authority.issue_unit(7), authority.ca_der, profile=1,
                heartbeat_s=60, pipes=["coap"], coap_addresses=[("127.0.0.1", 1)])  # fmt: skip
    files = {path.name: path.read_bytes() for path in (tmp_path / "flash").iterdir()}
    own, secrets = littlefs_image.build(files, 64 * 4096), secrets_in(files)
    assert unprotected(own, b"", secrets) == []
    assert {one.secret for one in searched(own, secrets)} == {"master secret", "TLS key"}
    for name, value in secrets.items():
        assert {one.secret for one in unprotected(own, value, secrets)} == {name}
        assert {one.secret for one in unprotected(own + value.hex().encode(), b"", secrets)} == {name}
    assert {one.secret for one in unprotected(own + secrets["key up"], b"", secrets)} == {"key up"}
