"""A unit's brain on a desk, on which its tests look at everything that it orders."""

from firmware.core import profiles, records
from firmware.core.drill import EVERY_S
from firmware.core.heartbeat import Heartbeat
from firmware.core.pendants import Pendants
from firmware.core.setup import Means
from firmware.core.unit import Unit
from firmware.core.vigil import Vigil
from protocols.wire import messages

WALL = 1700000000


def sha256(data):
    import hashlib

    return hashlib.sha256(data).digest()


class Flash:
    """What is on a unit's flash, as journal and kept values would keep it."""

    def __init__(self, last=None, drill=EVERY_S):
        self.kept = dict(last.kept) if last is not None else {"drill": drill}
        self.book = dict(last.book) if last is not None else {}
        self.entries = last.entries if last is not None else {}

    def write(self, action):
        if action[0] == "keep":
            self.kept[action[1]] = action[2]
            return
        record = action[1]
        key = (record[records.BOOT], record[records.SEQ])
        if record[records.TYPE] == records.ITEM:
            self.book[key] = (record[records.PRIORITY], record[records.BODY])
        elif record[records.TYPE] == records.CONSUMED:
            self.book.pop(key)
        else:
            records.fold(self.entries, record)


class Bench(Flash):
    """A unit on a desk, and its flash. `written` is what it has put there, in that order."""

    def __init__(
        self, config=None, last=None, boot=5, slots=0, measure=None, up=True, drill=EVERY_S, random=None, spare=None
    ):
        self.setup = profiles.read(config or {1: profiles.SOCIAL, 2: 300})
        Flash.__init__(self, last, drill)
        self.written = []
        self.now = 0
        self.lamps = []
        self.sent = []
        self.alive = []
        self.others = []
        self.order = []
        means = Means(
            random or (lambda bound: 0),
            measure or (lambda: ({}, {messages.STATUS_VERSION: "1"})),
            lambda: WALL,
            lambda pipe: messages.BEARER_SIM1,
            lambda key: key == (1, 1),
        )
        pendants = None
        if self.setup.pendants:
            pendants = Pendants(self.setup.pendants, sha256, self.kept.get("pendants"), 0)
        items = [(self.book[key][0], key[0], key[1], self.book[key][1]) for key in sorted(self.book)]
        entries = [self.entries[key] for key in sorted(self.entries) if not self.entries[key].over()]
        heartbeat = Heartbeat(self.setup.heartbeat, lambda bound: bound - 1, 1000)
        self.unit = Unit(
            boot,
            ("coap",),
            self.setup,
            means,
            heartbeat,
            0,
            entries,
            items,
            self.kept,
            pendants,
            slots,
            spare=spare,
            vigil=Vigil(0, 0),
        )
        if up:
            self.take(self.unit.handle(("pipe", "coap", True), 0))
        self.take(self.unit.start(0))

    def take(self, actions):
        for action in actions:
            self.order.append(action[0])
            if action[0] == "send":
                self.sent.append((self.now, action[3]))
            elif action[0] in ("journal", "keep"):
                self.written.append(action)
                self.write(action)
            elif action[0] == "alive":
                self.alive.append((self.now, action[1]))
            elif action[0] == "lamp":
                self.lamps.append((self.now, action[1]))
            else:
                self.others.append(action)

    def cut(self, count):
        """The flash of a unit that began with an empty one, if power is cut after so many of its writes."""
        flash = Flash()
        for action in self.written[:count]:
            flash.write(action)
        return flash

    def feed(self, *event):
        self.take(self.unit.handle(event, self.now))

    def run(self, until):
        """Let time pass as the driver does."""
        while True:
            due = self.unit.next_wakeup(self.now)
            if due is None or due > until:
                break
            self.now = max(due, self.now)
            self.feed("time")
        self.now = until
        self.feed("time")

    def tap(self, code=0, held=200):
        self.feed("edge", code, True, self.now)
        self.run(self.now + held)
        self.feed("edge", code, False, self.now)
        self.run(self.now + 100)

    def of(self, kind):
        return [message for _, message in self.sent if isinstance(message, kind)]

    def fresh(self, kind):
        """Messages of this kind, each key once."""
        found = {}
        for message in self.of(kind):
            found[(message.boot, message.seq)] = message
        return [found[key] for key in sorted(found)]

    def events(self, kind):
        return [one for one in self.fresh(messages.Event) if one.kind == kind]

    def answer_all(self, stage=1):
        items = [(one.boot, one.seq, stage) for one in self.fresh(messages.Alarm)]
        items += [(one.boot, one.seq, 1) for one in self.fresh(messages.Event) + self.fresh(messages.Answer)]
        items += [(one.boot, one.seq, 1) for one in self.fresh(messages.Heartbeat)]
        while items:
            self.feed("receipt", items[:8], 1800000000)
            items = items[8:]

    def command(self, number, kind, args=None):
        """What a command is answered. Alarms are stored first: until then they have the radio to themselves."""
        self.answer_all()
        before = len(self.of(messages.Answer))
        self.feed("command", messages.Command(number=number, kind=kind, args=args))
        told = self.of(messages.Answer)[before:]
        return told[0] if told else None
