"""Which receipts are a sign of life: those that say something new. A frame that somebody plays again proves no way.

Pure. A receipt is fresh when it has changed something, or when its server time is greater than any that this boot has
seen; before there is such a time only a change counts. It never decides what a receipt does to a press: stages only
grow (protocols.wire.courier).
"""

LATE_S = 60
"""Networks double and delay datagrams: an old receipt counts as refused only when it lies further back than this."""


class Receipts:
    """Attributes: `time`, the greatest server time (unix s) of a fresh receipt of this boot, None before there is one;
    `refused`, how many receipts were old ones played again."""

    def __init__(self) -> None:
        self.time: "int | None" = None
        self.refused = 0

    def fresh(self, time: "int | None", changed: bool) -> bool:
        """A verified receipt of this server time has come, and has `changed` something here: is it a sign of life?
        One that is none never moves `time`, so that old ones played in their order are no fresh ones."""
        newer = time is not None and (self.time is None or time > self.time)
        if not changed and (self.time is None or not newer):
            if time is not None and self.time is not None and time < self.time - LATE_S:
                self.refused += 1
            return False
        if newer:
            self.time = time
        return True
