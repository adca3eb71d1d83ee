"""Runs procedures on an AT channel: a pure machine between the modem's bytes and whoever wants something of it.

One procedure at a time. `now` is monotonic milliseconds; every method gives back a list of actions:

    ("write", data)          to the modem
    ("board", what, value)   carry out, then call `carried_out`
    ("finished", value)      the procedure is over
    ("failed", error)        it is over with an AtError: the modem's refusal, "timeout", "reset" or "hung"
    ("event", event)         the modem speaks unasked; see Dialect.event
    ("boot",)                the modem has started anew; all sockets and settings are gone
    ("lost", n)              n URCs were lost in a flood
    ("free",)                the command of a procedure that was given up is over too
    ("hung",)                the modem answers nothing any more
"""

from firmware.core.at import At, Command
from firmware.core.at_syntax import AtError
from firmware.modem.steps import Board, Pause, Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.at import Actions
    from firmware.modem.dialect import Dialect
    from firmware.modem.steps import Procedure


class Engine:
    """Attributes: `at` with the channel's counters, `busy` while a procedure runs."""

    def __init__(self, dialect: "Dialect") -> None:
        self.at = At(dialect.heads, dialect.boot)
        self._dialect = dialect
        self._procedure: "Procedure | None" = None
        self._step: "Any" = None
        self._due: "int | None" = None
        self._held: "Command | None" = None
        self._owed = False

    @property
    def busy(self) -> bool:
        return self._procedure is not None

    def start(self, procedure: "Procedure", now: int) -> "Actions":
        """Begin. Raises AtError "busy"."""
        if self._procedure is not None:
            raise AtError("busy")
        self._procedure = procedure
        actions: "Actions" = []
        self._advance(None, actions, now)
        return actions

    def abandon(self) -> None:
        """Give the procedure up. A command that the modem has been given goes on to its end, unheard."""
        procedure = self._procedure
        self._over()
        if procedure is not None:
            procedure.close()

    def interrupt(self, now: int) -> "Actions":
        """Something more urgent is waiting: the procedure fails as "abandoned" now. One that waits behind the command
        of a procedure that was given up before stays, and that command is not waited for any longer."""
        behind = self._held is not None and not self.at.resyncing
        actions = self.at.give_up(now)
        if not behind:
            self._fail(AtError("abandoned"), actions)
        return actions

    def feed(self, data: bytes, now: int) -> "Actions":
        """Bytes of the modem."""
        actions: "Actions" = []
        self._owed = self.at.resyncing
        self._take(self.at.feed(data, now), actions, now)
        return actions

    def carried_out(self, now: int) -> "Actions":
        """The board has done what it was asked."""
        actions: "Actions" = []
        if isinstance(self._step, Board):
            if self._step.what == "power":
                # Whatever was said before belongs to a modem that is no longer there.
                if not self.at.ready:
                    actions.append(("free",))
                self.at.restart()
            self._advance(None, actions, now)
        return actions

    def timeout(self, now: int) -> "Actions":
        """Deadlines that are due."""
        actions: "Actions" = []
        self._take(self.at.timeout(now), actions, now)
        if self._due is not None and self._due <= now:
            self._advance(None, actions, now)
        return actions

    def next_wakeup(self) -> "int | None":
        """When `timeout` is to be called."""
        channel = self.at.next_wakeup()
        if channel is None or (self._due is not None and self._due < channel):
            return self._due
        return channel

    def _take(self, told: "Actions", actions: "Actions", now: int) -> None:
        for action in told:
            kind = action[0]
            if kind == "done":
                self._done(action[1], actions, now)
            elif kind == "urc":
                self._urc(action[1], action[2], actions, now)
            elif kind == "boot":
                self._booted(actions, now)
            elif kind == "resynced":
                actions.append(("free",))
                self._release(actions, now)
            elif kind == "hung":
                actions.append(action)
                self._fail(AtError("hung"), actions)
            else:
                actions.append(action)

    def _done(self, reply: "Any", actions: "Actions", now: int) -> None:
        if isinstance(self._step, Command) and self._held is None:
            self._advance(reply, actions, now)
        else:
            # Of a procedure that was given up.
            actions.append(("free",))
            self._release(actions, now)

    def _urc(self, head: str, line: str, actions: "Actions", now: int) -> None:
        try:
            event = self._dialect.event(line)
        except AtError:
            # A line that cannot be read tells nothing; it is counted like any other unknown one.
            self.at.dropped["unknown"] += 1
            return
        if event is not None:
            actions.append(("event", event))
        step = self._step
        if isinstance(step, Wait) and step.head == head and (step.match is None or step.match(line)):
            self._advance(line, actions, now)

    def _booted(self, actions: "Actions", now: int) -> None:
        if self._owed:
            # What it did not answer before, it never will.
            self._owed = False
            actions.append(("free",))
        actions.append(("boot",))
        if isinstance(self._step, Wait) and self._step.head is None:
            self._advance("", actions, now)
        elif self._held is not None:
            # It was never written: it begins with the new start.
            self._release(actions, now)
        elif not isinstance(self._step, Board):
            self._fail(AtError("reset"), actions)

    def _release(self, actions: "Actions", now: int) -> None:
        if self._held is not None and self.at.ready:
            command = self._held
            self._held = None
            actions += self.at.submit(command, now)

    def _fail(self, error: AtError, actions: "Actions") -> None:
        if self._procedure is not None:
            self.abandon()
            actions.append(("failed", error))

    def _over(self) -> None:
        self._procedure = None
        self._step = None
        self._due = None
        self._held = None

    def _advance(self, value: "Any", actions: "Actions", now: int) -> None:
        """Hand the procedure what it waited for, and begin its next step."""
        if self._procedure is None:
            return
        self._due = None
        try:
            step = self._procedure.send(value)
        except StopIteration as end:
            self._over()
            actions.append(("finished", end.value))
            return
        except AtError as error:
            self._over()
            actions.append(("failed", error))
            return
        self._step = step
        if isinstance(step, Command):
            if self.at.ready:
                actions += self.at.submit(step, now)
            else:
                self._held = step
        elif isinstance(step, Board):
            actions.append(("board", step.what, step.value))
        elif isinstance(step, Pause):
            self._due = now + step.ms
        else:
            self._due = now + step.timeout
