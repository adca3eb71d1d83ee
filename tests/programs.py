"""Other people's programs that tests talk to. One that is missing fails the test and says how to get it."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass

PACKAGES = {
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "coap-client": "libcoap3-bin",
    "sipp": "sip-tester",
    "kamailio": "kamailio kamailio-tls-modules",
    "softhsm2-util": "softhsm2",
}


def find_program(name: str, *others: str) -> str:
    """The path of the first of these programs that is there."""
    for one in (name, *others):
        found = shutil.which(one)
        if found:
            return found
    raise AssertionError(f"{name} is missing: apt-get install {PACKAGES[name]} (make test does it as root)")


@dataclass(frozen=True)
class Ended:
    """How a program ended and what it said."""

    status: int
    out: bytes
    err: str


async def run_program(*argv: str, seconds: float = 60) -> Ended:
    """Runs a program to its end; one that does not end is killed and fails the test."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{argv[0]} did not end within {seconds} s") from None
    assert process.returncode is not None
    return Ended(process.returncode, out, err.decode(errors="replace"))
