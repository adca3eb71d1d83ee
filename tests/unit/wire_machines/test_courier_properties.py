"""The courier under any sequence of presses, losses, receipts and pipes that come and go."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocols.wire.courier import (
    ALARM,
    APART,
    BURST,
    BURST_MS,
    FAULT,
    HEARTBEAT,
    LOG,
    RESORT_AFTER,
    RESORT_APART,
    RESORT_DOWN,
    RESORT_GAP,
    RETRIES,
    STARVED,
    STORED,
    TAKEN,
    Courier,
)

PIPES = (("coap", 0), ("coap", 1), ("mqtt", 0))
RADIOS = ("lte", "lte", "wifi", "lte")
SMS = ("sms", 0)
ALARMS = 7
LONGEST = RETRIES[-1] + STARVED + ALARMS * BURST_MS // BURST + BURST_MS
"""No alarm is silent for longer than this while the machine is woken as it asks."""
KEYS = st.integers(0, 30)


class Presses(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.draws = 0
        self.courier = Courier(
            (*PIPES, SMS), self.random, alarms=ALARMS, others=4, jitter=60000, radios=RADIOS, last_resort=(SMS,)
        )
        self.open: dict[tuple[int, int], int] = {}
        self.last: dict[tuple[int, int], int] = {}
        self.attempts: dict[tuple[int, int], int] = {}
        self.pipes: dict[tuple[int, int], tuple[str, int]] = {}
        self.up: set[tuple[str, int]] = set()
        self.down_since: int | None = 0
        self.submitted: dict[tuple[int, int], int] = {}
        self.by_sms: dict[tuple[int, int], int] = {}
        self.last_sms = -RESORT_APART
        self.late: set[tuple[int, int]] = set()
        self.burst: list[int] = []  # times of the ordinary sends of alarms that have left the unit
        self.awake = 0
        self.take(self.courier.timeout(0))
        self.closed: set[tuple[int, int]] = set()
        self.others: set[tuple[int, int]] = set()
        self.sms_up = False
        self.sequence = 0

    def random(self, n: int) -> int:
        self.draws = (self.draws * 1103515245 + 12345) % 2147483648
        return self.draws % n

    def unstored(self) -> list[tuple[int, int]]:
        return [key for key, stage in self.open.items() if stage < STORED]

    def take(self, actions: list[tuple[Any, ...]]) -> None:
        """Judges every action as it comes."""
        ranks = []
        for action in actions:
            key = action[1]
            if action[0] == "send":
                self.judge_send(key, action[2], action[3])
                ranks.append(0 if key in self.open else 1)
            elif action[0] == "stage":
                if key in self.open:
                    assert action[2] > self.open[key]
                    self.open[key] = action[2]
                    if action[2] == TAKEN:
                        del self.open[key]
                        self.closed.add(key)
            elif action[0] == "forgotten":
                assert self.open.pop(key) >= STORED, "an alarm that is not stored is never forgotten"
                self.closed.add(key)
            elif action[0] == "give_up":
                assert key in self.others, "an alarm is never given up"
            elif action[0] == "query":
                assert 1 <= len(key) <= 8
                assert all(STORED <= self.open[one] < TAKEN for one in key)
                assert action[2] in self.up
                ranks.append(2)
            else:
                raise AssertionError(action)
        assert ranks == sorted(ranks), "alarms before everything, queries last"

    def judge_send(self, key: tuple[int, int], attempt: int, pipe: tuple[str, int]) -> None:
        assert key not in self.closed
        assert attempt == self.attempts.get(key, 0) + 1
        self.attempts[key] = attempt
        if pipe == SMS:
            self.judge_sms(key)
            return
        self.pipes[key] = pipe
        assert pipe in (self.up or PIPES)
        if key in self.open:
            assert self.open[key] < STORED, "a stored alarm is not sent again"
            assert self.now - self.last.get(key, -APART) >= APART
            fresh = key not in self.late and key not in self.last
            assert fresh or len([at for at in self.burst if at > self.now - BURST_MS]) < BURST, "no storm"
            self.burst = [*self.burst[-20:], self.now]
            if key not in self.last:
                assert pipe == min(self.up or PIPES, key=PIPES.index)
        else:
            assert self.up, "only alarms are sent into the void"
            assert not [one for one in self.unstored() if self.attempts.get(one, 0) < 3]
        self.last[key] = self.now

    def judge_sms(self, key: tuple[int, int]) -> None:
        """What may go by the pipe of last resort, and how often."""
        assert self.sms_up
        assert self.now - self.last_sms >= RESORT_APART
        self.last_sms = self.now
        alone = 0 if self.up or self.down_since is None else self.now - self.down_since
        assert self.open.get(key, STORED) < STORED, "alarms alone, until they are stored"
        assert self.now - self.submitted[key] >= RESORT_AFTER or (not self.up and alone >= RESORT_DOWN)
        assert self.now - self.by_sms.get(key, -RESORT_GAP) >= RESORT_GAP
        self.by_sms[key] = self.now

    @rule(priority=st.sampled_from([ALARM, ALARM, FAULT, HEARTBEAT, LOG]), late=st.booleans())
    def submit(self, priority: int, late: bool) -> None:
        key = (1, self.sequence)
        self.sequence += 1
        if priority != ALARM:
            self.others.add(key)
            self.take(self.courier.submit(key, priority, self.now))
            return
        full = len(self.unstored()) >= ALARMS
        if full:
            assert self.courier.submit(key, ALARM, self.now) == [("full", key)]
        else:
            self.open[key] = 0
            self.submitted[key] = self.now
            if late:
                self.late.add(key)
            self.take(self.courier.submit(key, ALARM, self.now, late=late))
            assert late or self.last.get(key) == self.now, "an alarm goes at once"

    @rule(sequence=KEYS, stage=st.integers(0, 3))
    def receipt(self, sequence: int, stage: int) -> None:
        self.take(self.courier.receipt((1, sequence), stage, self.now))

    @rule(sequence=KEYS, pipe=st.sampled_from(PIPES))
    def failed(self, sequence: int, pipe: tuple[str, int]) -> None:
        key = (1, sequence)
        if self.pipes.get(key) == pipe and self.open.get(key) == 0:
            if self.last[key] in self.burst:
                self.burst.remove(self.last[key])
            self.last[key] = self.now - APART  # nothing has left the unit, so there is no gap to keep
        self.take(self.courier.failed(key, pipe, self.now))

    @rule(sequence=KEYS)
    def failed_sms(self, sequence: int) -> None:
        key = (1, sequence)
        if self.by_sms.get(key) is not None and self.open.get(key) == 0:
            del self.by_sms[key]
        self.take(self.courier.failed(key, SMS, self.now))

    @rule(up=st.booleans())
    def sms(self, up: bool) -> None:
        self.sms_up = up
        self.take((self.courier.pipe_up if up else self.courier.pipe_down)(SMS, self.now))

    @rule(sequence=KEYS)
    def sent(self, sequence: int) -> None:
        self.take(self.courier.sent((1, sequence), self.now))

    @rule(pipe=st.sampled_from(PIPES))
    def pipe_up(self, pipe: tuple[str, int]) -> None:
        self.up.add(pipe)
        self.down_since = None
        self.take(self.courier.pipe_up(pipe, self.now))

    @rule(pipe=st.sampled_from(PIPES))
    def pipe_down(self, pipe: tuple[str, int]) -> None:
        self.up.discard(pipe)
        if not self.up and self.down_since is None:
            self.down_since = self.now
        self.take(self.courier.pipe_down(pipe, self.now))

    @rule(pause=st.integers(0, 40000))
    def wait(self, pause: int) -> None:
        """Time passes, and the machine is woken when it asked to be."""
        end = self.now + pause
        due = self.courier.next_wakeup(self.now)
        while due is not None and due <= end:
            self.now = due
            self.take(self.courier.timeout(self.now))
            due = self.courier.next_wakeup(self.now)
            assert due is None or due > self.now, "what was due has been done"
        self.now = end
        for key in self.unstored():
            heard = max(self.last.get(key, 0), self.awake, self.submitted[key])
            assert self.now - heard <= LONGEST, "no alarm falls silent"

    @rule(pause=st.integers(0, 90000000))
    def oversleep(self, pause: int) -> None:
        """The unit was stopped: nobody woke the machine."""
        self.now += pause
        self.awake = self.now
        self.take(self.courier.timeout(self.now))

    @invariant()
    def no_stall(self) -> None:
        due = self.courier.next_wakeup(self.now)
        assert self.courier.unstored() == len(self.unstored())
        assert self.courier.untaken() == len(self.open) <= ALARMS
        if self.unstored():
            assert due is not None
            assert self.now <= due <= self.now + RETRIES[-1], "the next try is never more than 30 s away"

    def teardown(self) -> None:
        """Whatever came before: with one pipe that works from now on, every alarm is stored and taken."""
        for pipe in PIPES:
            self.pipe_down(pipe)
        self.pipe_up(PIPES[2])
        for _ in range(100):
            due = self.courier.next_wakeup(self.now)
            if due is None:
                break
            self.now = due
            actions = self.courier.timeout(self.now)
            self.take(actions)
            for action in actions:
                for key in [action[1]] if action[0] == "send" else action[1] if action[0] == "query" else []:
                    for stage in (STORED, TAKEN):
                        self.take(self.courier.receipt(key, stage, self.now))
        assert not self.open
        assert self.courier.next_wakeup(self.now) is None


TestPresses = Presses.TestCase
TestPresses.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
