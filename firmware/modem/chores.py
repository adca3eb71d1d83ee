"""What a modem does besides keeping a path: who is in it, how it hears, its messages, its sleep, a position. Pure.

`wanted` names the next of these orders; an alarm that is not stored lets only those through that may carry it or its
receipt. `conduct` decides when there is room for one.
"""

from firmware.modem.orders import ASLEEP, ATTACHED, LOCATING, SEARCHING, UP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AGAIN_MS = 60000
"""A chore that has failed is tried again after this long."""
SURVEY_MS = 300000
"""While the modem is awake the network is looked at so often; after each heartbeat too."""
SMS_MS = 1000
SMS_ALARM_MS = 5000
"""Between two messages that are read, so that a flood of them holds up nothing."""
MOST_PLACES = 8
"""Announced messages that are remembered; further ones are found by listing the card."""
FIX_MS = 2000
GNSS_MS = 120000
"""A search for a position ends after this long: a cold start takes about a minute (unconfirmed)."""
LOCATE_MS = 60000
LOCATE_RADIO_MS = 600000
"""From one search to the next; the second where the network is lost meanwhile and must be asked for again."""
SETTLE_MS = 5000
"""A radio that a search for a position takes is left alone for so long after an alarm: who presses twice does it soon,
and the alarm's next stage comes then."""

NAMES = ("identify", "survey", "rest", "sms_list", "sms_take", "sms_send", "gnss_start", "gnss_fix", "gnss_stop")


class Chores:
    """`takes_radio`: no network while a position is looked for; `sleeps`: this modem can be woken from PSM; `safe`: an
    SMS of its own and, once one has gone, what is announced then, which may be its receipt. What is not read cannot
    make the firmware fail again: a message on the card does not go away by a restart."""

    def __init__(self, takes_radio: bool, sleeps: bool, safe: bool = False) -> None:
        self.takes_radio = takes_radio
        self._safe = safe
        self.sms_out = False
        self._sent = False
        self.locate = False
        self.on = False
        self._sleeps = sleeps
        # When each is due; None is never. They are taken in the order of NAMES.
        self._due: "dict[str, int | None]" = dict([(name, None) for name in NAMES])
        self._places: "list[int]" = []
        self._sms_at = 0
        self._tau: "int | None" = None
        self._applied: "int | None" = -1
        self._until = 0
        self._over = False

    def started(self, identified: bool, now: int) -> None:
        """The modem has started: it has forgotten what it was told, and messages may have come meanwhile."""
        self._due["identify"] = None if identified else now
        self._due["sms_list"] = now
        self._due["rest"] = None
        self._applied = -1
        self.on = False

    def survey(self, now: int) -> None:
        """Look at the network soon."""
        self._due["survey"] = now

    def settle(self, now: int) -> None:
        """An alarm is over."""
        if self.takes_radio:
            self._due["gnss_start"] = max(self._due["gnss_start"] or 0, now + SETTLE_MS)

    def sms(self, place: "int | None", now: int) -> None:
        """A message waits at this place; None: somewhere."""
        if place is None or len(self._places) >= MOST_PLACES:
            self._due["sms_list"] = now
        elif place not in self._places:
            self._places.append(place)

    def rest(self, tau: "int | None") -> None:
        """PSM with this period (s) may be asked for; None: no PSM and no eDRX."""
        self._tau = tau if self._sleeps else None

    def wanted(self, state: str, alarm: bool, now: int) -> "tuple[str, Any] | None":
        """The next order, with its argument."""
        for at, name, argument in self._plans(state, alarm):
            if now >= at:
                return name, argument
        return None

    def next_wakeup(self, state: str, alarm: bool) -> "int | None":
        """When there may be something to do."""
        plans = [at for at, _, _ in self._plans(state, alarm)]
        return min(plans) if plans else None

    def _plans(self, state: str, alarm: bool) -> "list[tuple[int, str, Any]]":
        """(when, order, argument), the most important first."""
        if self.on and (self._over or not self.locate or (alarm and self.takes_radio)):
            return [(0, "gnss_stop", None)]
        plans: "list[tuple[int, str, Any]]" = []
        if state == LOCATING:
            return [(self._due["gnss_fix"] or 0, "gnss_fix", None)]
        if state == ASLEEP or state not in (SEARCHING, ATTACHED, UP):
            return plans
        if self.sms_out and state != SEARCHING:
            plans.append((0, "sms_send", None))
        if self._places and (self._sent or not self._safe):
            plans.append((self._sms_at, "sms_take", self._places[0]))
        if self._safe:
            return plans
        if self._applied != self._tau and state == UP and not (alarm and self._tau is not None):
            plans.append((self._due["rest"] or 0, "rest", self._tau))
        if alarm:
            return plans
        for name in ("identify", "survey", "sms_list"):
            at = self._due[name]
            if at is not None and (state == UP or name == "identify"):
                plans.append((at, name, None))
        if state == UP and self.on:
            plans.append((self._due["gnss_fix"] or 0, "gnss_fix", None))
        elif state == UP and self.locate:
            plans.append((self._due["gnss_start"] or 0, "gnss_start", None))
        return plans

    def finished(self, name: str, value: "Any", alarm: bool, now: int) -> None:
        """A chore is done."""
        self._due[name] = None
        if name == "survey":
            self._due[name] = now + SURVEY_MS
        elif name == "rest":
            self._applied = self._tau
            if self._tau is not None:
                # What the network grants.
                self._due["survey"] = now
        elif name == "sms_list":
            for place in value:
                if len(self._places) < MOST_PLACES:
                    self.sms(place, now)
            if len(value) > MOST_PLACES:
                self._due[name] = now + MOST_PLACES * SMS_MS
        elif name == "sms_take":
            self._read(alarm, now)
        elif name == "sms_send":
            self.sms_out = False
            if not self._sent:
                # What came before it is not its answer; the next listing finds it.
                self._places = self._places if not self._safe else []
            self._sent = True
        elif name == "gnss_start":
            self.on = True
            self._over = False
            self._until = now + GNSS_MS
        elif name == "gnss_fix":
            self._over = value is not None or now >= self._until
            self._due[name] = now + FIX_MS
        elif name == "gnss_stop":
            self.on = False
            self._due["gnss_start"] = now + (LOCATE_RADIO_MS if self.takes_radio else LOCATE_MS)

    def failed(self, name: str, alarm: bool, now: int) -> None:
        """A chore has failed."""
        self._due[name] = now + AGAIN_MS
        if name == "sms_take":
            # It is found again by the next listing, if it is still there.
            self._read(alarm, now)
            self._due["sms_list"] = now + AGAIN_MS
        elif name == "sms_send":
            self.sms_out = False
        elif name == "gnss_fix":
            self._over = True
        elif name == "gnss_start":
            self.on = self._over = True
        elif name == "gnss_stop":
            # Nothing else can be done with it; a modem that does not answer is another's business.
            self.on = False

    def _read(self, alarm: bool, now: int) -> None:
        self._places = self._places[1:]
        self._sms_at = now + (SMS_ALARM_MS if alarm else SMS_MS)
