"""What happens to a finished board later: a repair, its closing, a return to the workshop, the scrap heap. Each is a
ledger row.

A board that ends loses its identity first: the fleet forgets it, then its flash is erased if it is on a cable, then the
ledger says so. A crash in between leaves a board that does not work; saying it again finishes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from provisioning.efuse_espefuse import close_download_mode
from provisioning.flash_esptool import Port
from provisioning.ledger import ENDS, Ledger, Row
from provisioning.run import Fleet, RunError
from provisioning.verify import verify

LONGEST_WHY = 200


def end(
    ledger: Ledger, fleet: Fleet, kind: str, mac: str, why: str, clock: Callable[[], datetime], port: Port | None = None
) -> Row:
    """`kind` is returned or scrapped; after returned the board may be provisioned anew, with another number.

    Raises RunError for a board that the ledger does not have in use, or that the fleet does not let go.
    """
    if kind not in ("returned", "scrapped"):
        raise ValueError(f"{kind!r} ends no board")
    row = _in_use(ledger, mac)
    _check(why)
    fleet.withdraw(row.unit)
    if port is not None:
        port.erase()
    return ledger.append(kind, row.unit, mac, {"erased": port is not None, "why": why}, clock())


def repaired(ledger: Ledger, port: Port, why: str, clock: Callable[[], datetime]) -> Row:
    """The board on this port was repaired and is still, byte for byte, the unit that it was. Raises RunError if not."""
    _check(why)
    verdict = verify(port, ledger)
    if not verdict.passes or verdict.unit is None:
        raise RunError(
            "this board does not pass: {faults}. Return it and provision it anew", faults="; ".join(verdict.faults)
        )
    return ledger.append("repaired", verdict.unit, verdict.mac, {"why": why}, clock())


def close(ledger: Ledger, port: Port, why: str, clock: Callable[[], datetime]) -> Row:
    """No cable reads or writes the board on this port from now on: a finished production board that passes. For good.

    The ledger says so first: a crash in between leaves an open board of which that is said, and saying it again closes
    it. Raises RunError for another board.
    """
    _check(why)
    verdict = verify(port, ledger)
    if not verdict.passes or verdict.unit is None:
        raise RunError(f"this board does not pass: {'; '.join(verdict.faults)}. It stays open for repair")
    made = next(row for row in reversed(ledger.of_unit(verdict.unit)) if row.kind == "provisioned")
    if made.facts["grade"] != "production" or not made.facts.get("sealed"):
        raise RunError("only a production board whose image holds its firmware is closed: provision it anew as one")
    row = ledger.append("closed", verdict.unit, verdict.mac, {"why": why}, clock())
    close_download_mode(port)
    return row


def _in_use(ledger: Ledger, mac: str) -> Row:
    row = ledger.last_of_board(mac)
    if row is None:
        raise RunError("the ledger knows no board {mac}: it was never finished at this station", mac=mac)
    if row.kind in ENDS:
        raise RunError("the ledger says that board {mac} was {kind} already", mac=mac, kind=row.kind)
    return row


def _check(why: str) -> None:
    if not why.strip() or len(why) > LONGEST_WHY:
        raise RunError("say why, in at most {most} characters", most=LONGEST_WHY)
