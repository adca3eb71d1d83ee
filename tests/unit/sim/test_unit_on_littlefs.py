"""Whole units whose flash is a LittleFS image: killed again and again, they lose no press and keep one chain."""

import hashlib
import os
import subprocess

from firmware.core import records
from protocols.wire import messages
from sim.board_rom.dump import LEFT_OPEN, searched, secrets_in, unprotected
from sim.firmware_build import SHIMS, interpreter

DUMP = """
import os, sys
import flash_image
for name in sys.argv[1:]:
    try:
        with open(name, "rb") as file:
            data = file.read()
    except OSError:
        data = b""
    print(name, data.hex())
"""


def files(image, tmp_path, *names):
    """Files of an image, read by another process; b"" for one that is not there."""
    script = tmp_path / "dump.py"
    script.write_text(DUMP)
    result = subprocess.run(
        [*interpreter(), str(script), *names],
        env={**os.environ, "MICROPYPATH": f".frozen:{SHIMS}", "LIVLINA_FLASH": str(image)},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    lines = [line.split(" ") for line in result.stdout.splitlines()]
    return {name: bytes.fromhex(data) for name, data in lines}


def left_in_old_blocks(flash, own):
    """Six boots and as many presses leave old blocks: none holds a secret in another form, or another key."""
    secrets = secrets_in(own)
    assert unprotected(flash, b"", secrets) == []
    assert {one.secret for one in searched(flash, secrets)} == set(LEFT_OPEN)  # The control: these lie there.


def sha256(data):
    return hashlib.sha256(data).digest()


def test_a_unit_on_littlefs_is_killed_after_every_press_and_loses_none(on_street, tmp_path):
    image = tmp_path / "flash.img"
    boots = 6

    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        await street.coap()
        await fleet.start(street.folders, env={1: {"LIVLINA_FLASH": str(image)}})
        for count in range(1, boots + 1):
            await fleet.press(1)
            await fleet.wait_lamp(1, "trying", 60)
            await far.until(lambda count=count: len({(one.boot, one.seq) for one in far.alarms(1)}) == count)
            await fleet.restart(1)
        sent = {(one.boot, one.seq) for one in far.alarms(1)}
        far.stage_of_alarms = messages.TAKEN
        await far.until(lambda: {(boot, seq) for unit, boot, seq in far.stages if unit == 1} == sent)
        await fleet.wait_lamp(1, "taken", 60)
        # What was sent to it has come and is on flash when no press is open any more.
        await far.until(lambda: any(one.boot == boots + 1 and not one.open for one in far.heartbeats(1)))
        # CoAP repeats a datagram that is not answered in time, byte for byte: one frame, however often it came.
        frames = {(one.kid_context, one.counter, one.ciphertext) for one in far.envelopes}
        counters = [(context, counter) for context, counter, _ in frames]
        assert len(set(counters)) == len(counters), "no counter came twice"
        assert {boot for boot, _ in sent} == set(range(1, boots + 1)), "no boot number came twice"
        await far.until(lambda: any(one.status for one in far.heartbeats(1)))
        await fleet.kill(1)
        told = [one.status[messages.STATUS_JOURNAL] for one in far.heartbeats(1) if one.status]
        kept = files(image, tmp_path, "journal.old", "journal", "identity.cbor", "key.der")
        left_in_old_blocks(image.read_bytes(), {name: kept.pop(name) for name in ("identity.cbor", "key.der")})
        assert not (street.folders[1] / "journal").exists(), "nothing went to the folder"
        whole = [data for data in (kept["journal.old"], kept["journal"]) if data]
        head, wrong = records.verify(whole, told, sha256)
        assert wrong == [] and told and head
        entries = {}
        for data in whole:
            for _, record, _ in records.heads(data, sha256):
                records.fold(entries, record)
        assert {key: one.stage for key, one in entries.items()} == dict.fromkeys(sent, messages.TAKEN)

    on_street(scenario)
