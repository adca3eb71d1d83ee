"""What scenario files do to a modem: one method per step, named after it (README.md has the table)."""

from __future__ import annotations

from sim.modem.device import ON, Device
from sim.modem.radio import SEARCHING, Serving
from sim.modem.scenario import Step
from sim.modem.sms import delivered

_BROWN_OUT_NOISE = b"\xfe\x00\xff\x80\x00"


class Faults(Device):
    """Adds the steps of its scenario, each at its time or before its command."""

    def _plan(self) -> None:
        self._fired: set[int] = set()
        for number, step in enumerate(self.scenario.steps):
            if step.at_ms is not None:
                self.clock.call_later(step.at_ms / 1000, lambda n=number, s=step: self._at_time(n, s))  # type: ignore[misc]

    def _at_time(self, number: int, step: Step) -> None:
        if step.every_ms:
            self.clock.call_later(step.every_ms / 1000, lambda: self._at_time(number, step))
        self._fire(number, step)

    def trigger(self, line: str) -> None:
        """A command has come: steps that wait for it happen before it is carried out."""
        name = line[2:].partition("=")[0].partition("?")[0]
        self.commands[name] += 1
        for number, step in enumerate(self.scenario.steps):
            if step.on and line.startswith(step.on) and number not in self._fired:
                if self.commands[f"step {number}"] + 1 >= step.count:
                    self._fire(number, step)
                self.commands[f"step {number}"] += 1

    def _fire(self, number: int, step: Step) -> None:
        self._fired.add(number)
        self.do(step)

    def do(self, step: Step) -> None:
        """Let this happen now."""
        getattr(self, f"_do_{step.do}")(step)

    # The line and the modem

    def _do_hang(self, step: Step) -> None:
        """Nothing is heard and nothing said: for `ms`, or until the power is cut."""
        if self.state != ON:
            return
        self.hangs += 1
        self.hung = self.out.mute = True
        if step.ms:
            self.later(step.ms, self._recover)

    def _recover(self) -> None:
        self.hung = self.out.mute = False

    def _do_stall(self, step: Step) -> None:
        """What is said comes late."""
        self.out.hold()
        self.later(step.ms, self.out.release)

    def _do_reset(self, step: Step) -> None:
        """The modem starts anew by itself."""
        if self.powered:
            self.boot()

    def _do_brown_out(self, step: Step) -> None:
        """The same, with noise on the line."""
        self.out.put(_BROWN_OUT_NOISE)
        self.clock.call_later(0.001, lambda: self._do_reset(step))

    def _do_urc(self, step: Step) -> None:
        for _ in range(step.times):
            self.say(*step.lines)

    # The network

    def _do_pdp_drop(self, step: Step) -> None:
        self.drop_path(step.quiet)

    def _do_network(self, step: Step) -> None:
        """With `ms` it is as it was after that time: whatever the machine has made of the time before."""
        self.radio.set_network(step.name, step.up)
        if step.ms:
            self.clock.call_later(step.ms / 1000, lambda: self.radio.set_network(step.name, not step.up))

    def _do_signal(self, step: Step) -> None:
        """Another level, another cell, another area of network `name`; what is not named stays."""
        named = {"rsrp": step.rsrp, "cell": step.cell, "tac": step.tac}
        self.radio.change(step.name, **{name: value for name, value in named.items() if value is not None})

    def _do_cause(self, step: Step) -> None:
        """The card in `slot` is refused; `cause` 0 accepts it again."""
        slot = max(0, step.slot)
        self.radio.set_cause(self.scenario.cards[slot], step.cause)
        if step.cause and self.slot == slot:
            self.search()

    def _do_registration(self, step: Step) -> None:
        """The modem reports `stat` for `ms`, whatever there is on the air, and looks for a network then."""
        if self.state == ON:
            self.drop_path(quiet=True)
            self.serve(Serving(step.stat))
            self.later(step.ms, self.search)

    def _do_cell_loss(self, step: Step) -> None:
        """Out of reach for `ms`; the path survives, as it does on the air. A modem that is told to look for a network
        meanwhile, by another card for example, finds what is there, and keeps it."""
        if self.registered():
            before, lost = self.serving, Serving(SEARCHING)
            self.serve(lost)
            self.later(step.ms, lambda: self.serve(before) if self.serving is lost else None)

    def _do_loss(self, step: Step) -> None:
        """Of datagrams each way; with `slot`, while that card is in use."""
        if step.slot < 0:
            self.path.loss_up = self.path.loss_down = step.loss
        else:
            self.card_loss[step.slot] = step.loss
            self.show_loss()

    def _do_block(self, step: Step) -> None:
        """Nothing gets to servers at `port` any more; `up`: it does again."""
        (self.path.blocked.discard if step.up else self.path.blocked.add)(step.port)

    def _do_card(self, step: Step) -> None:
        """The card in `slot`, or the one in use, is taken out, or put in again; without `slot` every one that is
        out comes in again."""
        in_use = self.in_use()
        slot = in_use if step.slot < 0 else step.slot
        if not step.up:
            self.cards_out.add(slot)
        elif step.slot < 0:
            slot = in_use if in_use in self.cards_out else -1
            self.cards_out.clear()
        else:
            self.cards_out.discard(slot)
        if slot != in_use:
            return
        if not step.up:
            self.drop_path(quiet=True)
            self.serve(Serving(0))
            self.say("+CPIN: NOT INSERTED")
        elif self.state == ON:
            self.card_ready()

    # Messages and position

    def _do_sms(self, step: Step) -> None:
        """`times` messages of `coding` arrive."""
        for number in range(step.times):
            for pdu in delivered(step.sender, bytes.fromhex(step.payload), step.coding, number):
                self.receive_sms(pdu)

    def _do_sms_refused(self, step: Step) -> None:
        """The network refuses the next `times` messages of the unit."""
        self.sms_refusals = step.times

    def _do_gnss(self, step: Step) -> None:
        self.sees = step.name
