"""One AT channel as a pure machine: bytes of the modem in, actions out; one command at a time.

`now` is monotonic milliseconds. Every method gives back a list of actions, to be carried out in order:

    ("write", data)          to the modem
    ("done", reply)          the command is over
    ("urc", head, line)      the modem speaks unasked
    ("boot", head)           the modem has started anew: everything set in it is gone
    ("lost", n)              n URCs were dropped in a flood: ask for what they would have told
    ("resynced",)            after a command that was not answered, the channel is in step again
    ("hung",)                the modem answers nothing any more; only a reset or a power cut helps

**Whose line is it?** While a command waits, a line is its echo, then a final result, then an answer (the head that the
command expects, in the shape that it expects), then a URC by the table, then a bare answer if the command takes those.
A URC may stand anywhere between two lines. `+CEREG` is both a URC and an answer: the shape tells them apart.

**Binary data** is counted, never searched: a payload may hold "OK" or a prompt.

**Bounds**: a line, a payload, the answer lines of a command and the URCs of one call have limits; what exceeds them is
dropped and counted in `dropped`. A command that is not answered in time ends as TIMEOUT, and nothing is written but
probes until the modem has answered one and has then been quiet, so that no late OK ends the wrong command.
"""

from firmware.core import at_syntax
from firmware.core.at_syntax import AtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Actions = list[tuple[Any, ...]]

OK = "ok"
ERROR = "error"
CME = "cme"
CMS = "cms"
TIMEOUT = "timeout"
RESET = "reset"

LONGEST_LINE = 512
LONGEST_PAYLOAD = 1500
MOST_LINES = 24
MOST_URCS = 32
"""In one call of `feed`."""

QUIET_MS = 200
PROBE_MS = 700
PROBES = 3
PROBE = "AT+CMEE?"
PROBE_HEAD = "+CMEE"
"""A probe has an answer of its own, so that a late OK of another command is not taken for it."""

BARE_DIGITS = 1
BARE_HEX = 2
BARE_TEXT = 3

_FINALS = (("OK", OK), ("ERROR", ERROR), ("NO CARRIER", ERROR))


class Command:
    """What to ask and how the answer looks.

    `text` without CR; `timeout` in ms; `head` of its answer lines, `shape(rest)` whether such a line is really the
    answer; `bare` what lines without a head it takes; `finals` further final results as (line, result); `payload`
    what is written at the prompt; `counted` (field with the length, separator that ends the header, longest length)
    when binary data follows the header. Raises AtError."""

    def __init__(
        self,
        text: str,
        timeout: int = 1000,
        head: "str | None" = None,
        shape: "Callable[[str], bool] | None" = None,
        bare: int = 0,
        finals: "Sequence[tuple[str, str]]" = (),
        payload: "bytes | None" = None,
        counted: "tuple[int, str, int] | None" = None,
    ) -> None:
        self.line = at_syntax.check_command(text)
        self.timeout = timeout
        self.head = head
        self.shape = shape
        self.bare = bare
        self.finals = tuple(finals) + _FINALS
        if payload is not None and not 1 <= len(payload) <= LONGEST_PAYLOAD:
            raise AtError("argument")
        self.payload = payload
        self.counted = counted


class Reply:
    """How a command ended: `result`, `code` of a CME or CMS error, answer `lines`, binary `payload`."""

    def __init__(self, result: str, code: "int | None", lines: "list[str]", payload: "bytes | None") -> None:
        self.result = result
        self.code = code
        self.lines = lines
        self.payload = payload

    @property
    def ok(self) -> bool:
        return self.result == OK

    def fields(self) -> "list[Any]":
        """The values of the last answer line. Raises AtError "answer" if there is none."""
        if not self.lines:
            raise AtError("answer")
        return at_syntax.fields(self.lines[-1])


class At:
    """`heads` are the URCs' names; `boot` those lines that say that the modem has just started."""

    def __init__(self, heads: "Sequence[str]", boot: "Sequence[str]" = ()) -> None:
        self._heads = dict([(name, True) for name in heads])
        self._boot = tuple(boot)
        self.dropped = {"line": 0, "noise": 0, "unknown": 0, "urc": 0, "answer": 0, "payload": 0}
        self._buffer = b""
        self._overlong = False
        self._command: "Command | None" = None
        self._deadline = 0
        self._lines: "list[str]" = []
        # One piece of heap for ever, instead of a longer one for every part of a payload.
        self._room = bytearray(LONGEST_PAYLOAD)
        self._filled = -1
        self._want = 0
        self._echoed = False
        self._echo = b""
        self._prompted = False
        self._deaf = False
        self._probes = 0
        self._answered = 0
        self._resync = False
        self._quiet: "int | None" = None
        self._urcs = 0
        self._lost = 0

    @property
    def ready(self) -> bool:
        """Whether a command may be submitted."""
        return self._command is None and not self._resync

    @property
    def resyncing(self) -> bool:
        """Whether a command was not answered, or given up, and the channel is not in step again yet."""
        return self._resync

    def submit(self, command: Command, now: int) -> "Actions":
        """Write a command. Raises AtError "busy" unless `ready`."""
        if not self.ready:
            raise AtError("busy")
        return [self._begin(command, now)]

    def give_up(self, now: int) -> "Actions":
        """Something more urgent is waiting: the command in flight is over, and its answer, however late, is nobody's.
        The channel is out of step until ("resynced",) or ("hung",)."""
        if self._command is None or self._resync:
            return []
        # ESC ends a prompt (see `timeout`); a command that can be broken off is, by any character (V.250 clause 5.6.1).
        escape: "Actions" = [] if self._command.payload is None else [("write", b"\x1b")]
        self._command = None
        self._forget()
        self._start_resync(now)
        return escape

    def restart(self) -> None:
        """Forget everything: the modem's power was cut, or the channel is new."""
        self._command = None
        self._resync = False
        self._quiet = None
        self._probes = 0
        self._forget()
        self._buffer = b""
        self._overlong = False

    def _forget(self) -> None:
        self._lines = []
        self._filled = -1
        self._want = 0
        self._echoed = False
        self._echo = b""
        self._prompted = False
        self._deaf = False

    def _begin(self, command: Command, now: int) -> "tuple[Any, ...]":
        self._command = command
        self._deadline = now + command.timeout
        self._forget()
        return ("write", command.line + b"\r")

    # Time

    def next_wakeup(self) -> "int | None":
        """When `timeout` is to be called."""
        if self._quiet is not None:
            return self._quiet
        return self._deadline if self._command is not None else None

    def timeout(self, now: int) -> "Actions":
        """Deadlines that are due."""
        if self._quiet is not None:
            return self._settled(now) if self._quiet <= now else []
        if self._command is None or self._deadline > now:
            return []
        if self._resync:
            return self._probe(now)
        actions: "Actions" = []
        if self._command.payload is not None:
            # A modem that waits for data takes ESC as the end of waiting (3GPP TS 27.005 clause 3.5.1).
            actions.append(("write", b"\x1b"))
        actions.append(self._end(TIMEOUT))
        self._start_resync(now)
        return actions

    def _start_resync(self, now: int) -> None:
        self._resync = True
        self._probes = self._answered = 0
        self._calm(now)

    def _calm(self, now: int) -> None:
        """From now on the modem must be quiet for a while. One that is slow owes the answers to the probes before the
        one that it has answered, unless it never heard them."""
        self._quiet = now + QUIET_MS + (PROBE_MS if self._answered < self._probes else 0)

    def _settled(self, now: int) -> "Actions":
        """The modem has been quiet for a while: ask it, or believe its answer."""
        self._quiet = None
        if self._probes and self._command is None:
            self._resync = False
            return [("resynced",)]
        return self._probe(now)

    def _probe(self, now: int) -> "Actions":
        if self._probes >= PROBES:
            self.restart()
            return [("hung",)]
        self._probes += 1
        # The first bytes that we wrote may hang in a half-read line: the CR ends it.
        self._buffer = b""
        self._overlong = False
        begun = self._begin(Command(PROBE, PROBE_MS, PROBE_HEAD), now)
        return [("write", b"\r"), begun] if self._probes > 1 else [begun]

    # Bytes

    def feed(self, data: bytes, now: int) -> "Actions":
        """Take what the modem says, in whatever pieces."""
        actions: "Actions" = []
        self._urcs = 0
        self._lost = 0
        self._buffer += bytes(data)
        while self._buffer and self._step(actions, now):
            continue
        if self._lost:
            actions.append(("lost", self._lost))
        return actions

    def _step(self, actions: "Actions", now: int) -> bool:
        """Take one thing from the buffer; False if it holds no whole one."""
        if self._want or self._echo or self._deaf or self._overlong:
            return self._take_other()
        self._buffer = self._buffer.lstrip(b"\r\n \x00")
        if not self._buffer:
            return False
        command = self._command
        if command is not None and command.payload is not None and not self._prompted and self._buffer[:1] == b">":
            self._buffer = self._buffer[1:]
            self._prompted = True
            self._echo = command.payload if self._echoed else b""
            actions.append(("write", command.payload))
            return True
        if command is not None and command.counted is not None and self._filled < 0 and self._inline(command):
            return True
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > LONGEST_LINE:
                self._buffer = b""
                self._overlong = True
            return False
        line = self._buffer[:end]
        self._buffer = self._buffer[end + 1 :]
        if len(line) > LONGEST_LINE:
            self.dropped["line"] += 1
            return True
        self._line(line.rstrip(b"\r "), actions, now)
        return True

    def _take_other(self) -> bool:
        """What is no line."""
        if self._want:
            return self._take_payload()
        if self._echo:
            return self._take_echo()
        if self._deaf:
            self._buffer = b""
            return False
        return self._skip_line()

    def _skip_line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            self._buffer = b""
            return False
        self._buffer = self._buffer[end + 1 :]
        self._overlong = False
        self.dropped["line"] += 1
        return True

    def _take_payload(self) -> bool:
        part = self._buffer[: self._want]
        self._room[self._filled : self._filled + len(part)] = part
        self._filled += len(part)
        self._want -= len(part)
        self._buffer = self._buffer[len(part) :]
        return True

    def _take_echo(self) -> bool:
        """A modem that echoes commands may echo data too. What differs is no echo."""
        part = self._buffer[: len(self._echo)]
        if self._echo[: len(part)] != part:
            self._echo = b""
            return True
        self._echo = self._echo[len(part) :]
        self._buffer = self._buffer[len(part) :]
        return True

    def _inline(self, command: Command) -> bool:
        """`+CARECV: 5,` and then five bytes: the header ends at a comma instead of a line's end."""
        field, separator, longest = command.counted or (0, "", 0)
        if separator != ",":
            return False
        begin = ((command.head or "") + ":").encode()
        if not self._buffer.startswith(begin):
            return False
        at = len(begin)
        for _ in range(field + 1):
            at = self._buffer.find(b",", at, len(begin) + 24) + 1
            if not at:
                return False
        if not _printable(self._buffer[:at]):
            return False
        line = self._buffer[: at - 1].decode()
        self._buffer = self._buffer[at:]
        self._header(line, field, longest)
        return True

    def _header(self, line: str, field: int, longest: int) -> None:
        length = at_syntax.integer(at_syntax.fields(line), field, 0, LONGEST_PAYLOAD)
        self._lines.append(line)
        if length is None or length > longest:
            # We asked for less: nobody knows where this ends. The deadline and a resync will find the way back.
            self.dropped["payload"] += 1
            self._deaf = True
            return
        self._filled = 0
        self._want = length

    # Lines

    def _line(self, raw: bytes, actions: "Actions", now: int) -> None:
        if not raw:
            return
        if not _printable(raw):
            self.dropped["noise"] += 1
            return
        line = raw.decode()
        command = self._command
        if command is not None:
            if raw == command.line:
                self._echoed = True
                return
            if self._final(command, line, actions, now):
                return
            if command.head is not None and at_syntax.head(line) == command.head:
                answer = at_syntax.rest(line)
                if command.shape is None or command.shape(answer):
                    self._answer(command, line)
                    return
        if self._urc(line, actions, now):
            return
        if command is not None and _is_bare(line, command.bare):
            self._answer(command, line)
            return
        if self._quiet is not None and _is_final(line):
            self._answered += self._probes > 0
            self._calm(now)
        self.dropped["unknown"] += 1

    def _answer(self, command: Command, line: str) -> None:
        if command.counted is not None and self._filled < 0 and at_syntax.head(line) == command.head:
            self._header(line, command.counted[0], command.counted[2])
        elif len(self._lines) < MOST_LINES:
            self._lines.append(line)
        else:
            self.dropped["answer"] += 1

    def _final(self, command: Command, line: str, actions: "Actions", now: int) -> bool:
        code = None
        result = None
        for text, meaning in command.finals:
            if line == text:
                result = meaning
        if line.startswith("+CME ERROR:") or line.startswith("+CMS ERROR:"):
            result = CME if line[3] == "E" else CMS
            code = at_syntax.integer(at_syntax.fields(line), 0, 0, 65535)
        if result is None:
            return False
        if self._resync:
            # Without the probe's own answer before it, it is of the command that was given up.
            if result == OK and self._lines:
                self._command = None
                self._answered = 1
                self._calm(now)
            return True
        actions.append(self._end(result, code))
        return True

    def _end(self, result: str, code: "int | None" = None) -> "tuple[Any, ...]":
        payload = None if self._filled < 0 else bytes(memoryview(self._room)[: self._filled])
        reply = Reply(result, code, self._lines, payload)
        self._command = None
        self._forget()
        return ("done", reply)

    def _urc(self, line: str, actions: "Actions", now: int) -> bool:
        for text in self._boot:
            if line == text:
                self._restarted(text, actions)
                return True
        name = at_syntax.head(line)
        if name not in self._heads:
            return False
        if self._urcs >= MOST_URCS:
            self._lost += 1
            self.dropped["urc"] += 1
            return True
        self._urcs += 1
        actions.append(("urc", name, line))
        return True

    def _restarted(self, name: str, actions: "Actions") -> None:
        if self._command is not None and not self._resync:
            actions.append(self._end(RESET))
        self._command = None
        self._resync = False
        self._quiet = None
        self._forget()
        actions.append(("boot", name))


def _printable(raw: bytes) -> bool:
    # Without a list, which would want a piece of heap as long as eight lines.
    return all(32 <= byte < 127 for byte in raw)


def _is_final(line: str) -> bool:
    return line in ("OK", "ERROR") or line.startswith("+CME ERROR:") or line.startswith("+CMS ERROR:")


def _is_bare(line: str, bare: int) -> bool:
    if bare == BARE_DIGITS:
        return at_syntax.is_digits(line)
    if bare == BARE_HEX:
        return at_syntax.is_hex(line)
    return bare == BARE_TEXT and line[0] not in "+*^>"
