"""How fast messages of alarm centres are decoded here, beside the public parsers, in one run.

    python -m bench.centre_rates [--seconds 2]

Each reader decodes the same frames over and over in turn, a slice at a time, so that a slow moment of the machine hits
all of them; what is printed are messages a second and the ratio to ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import siadc09.message
from pysiaalarm.account import SIAAccount
from pysiaalarm.event import SIAEvent

from bench import options
from protocols.centre.alarm import Action, Alarm, Category, Correlation, Source, Transmitter
from protocols.centre.scaip.examine import examine
from protocols.centre.scaip.write_alarm import write_alarm
from protocols.centre.sia_dc09 import alarm_frame, decode, encode, read_alarms
from protocols.centre.sos_access import documents
from protocols.centre.sos_access.translate import Account, alarm_request, read_alarm

SLICES = 40
AT = datetime(2026, 1, 2, 10, tzinfo=UTC)
PRESS = Alarm(
    "1", AT, Source("fleet", "coap"), Transmitter("00000043"), Action.NEW, Category.PERSONAL_HELP,
    correlation=Correlation(reference="0000002a317"),
)  # fmt: skip


@dataclass(slots=True)
class Reader:
    """One reader and what it has done so far."""

    name: str
    read: Callable[[], object]
    done: int = 0
    spent: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second of processor time."""
        return self.done / self.spent


def readers() -> list[Reader]:
    """Ours and the public ones, each on a press of its protocol."""
    frame = encode(replace(alarm_frame(PRESS, 17, "1234"), xdata=()))
    text = frame.decode()
    account = SIAAccount("1234")
    request = alarm_request(PRESS, Account("0043", "LIVL1", "42", "hxp4x9nnwxjatv8"))
    written = write_alarm(PRESS).octets
    return [
        Reader("dc09: livlina, frame only", lambda: decode(frame)),
        Reader("dc09: livlina, to the alarm", lambda: read_alarms(decode(frame), new_id=lambda: "i", received_at=AT)),
        Reader("dc09: siadc09", lambda: siadc09.message.parse_frame(frame)),
        Reader("dc09: pysiaalarm", lambda: SIAEvent.from_line(text.strip(), {"1234": account})),
        Reader("scaip: livlina, to the alarm", lambda: list(examine(written, new_id=lambda: "i", at=AT))),
        Reader(
            "sosaccess: livlina, to the alarm",
            lambda: read_alarm(documents.read(request), new_id=lambda: "i", received_at=AT),
        ),
    ]


def measure(seconds: float) -> list[Reader]:
    """Every reader for about ``seconds`` of processor time."""
    known = readers()
    for one in known:
        one.read()
    for _ in range(SLICES):
        for one in known:
            end = seconds / SLICES
            began = time.process_time()
            while (spent := time.process_time() - began) < end:
                for _ in range(20):
                    one.read()
                one.done += 20
            one.spent += spent
    return known


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Decode rates of alarm-centre messages, ours and the public parsers'.")
    parser.add_argument("--seconds", type=options.real(0.01, 3600), default=2.0, help="processor time for each reader")
    known = measure(parser.parse_args().seconds)
    ours = known[1].rate
    for one in known:
        ratio = f"{one.rate / ours:6.2f} x" if one.name.startswith("dc09") else ""
        print(f"{one.name:<34}{one.rate:>10.0f} messages/s  {ratio}")


if __name__ == "__main__":
    options.run(main)
