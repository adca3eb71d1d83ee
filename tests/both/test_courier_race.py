"""The courier with several radios and a pipe of last resort; the same on both engines."""

from couriers import A, B, K, M, courier, run

from protocols.wire.courier import ALARM, BURST, FAULT, HEARTBEAT, LOG, PROVING_WAIT, STORED, TAKEN, Courier

W = ("wifi", 0)
SMS = ("sms", 0)


def racing(up, pipes=(W, A, B, SMS), **arguments):
    radios = [pipe[0] for pipe in pipes]
    return courier(pipes=pipes, up=up, radios=radios, last_resort=(SMS,), **arguments)


def on(events, pipe):
    return [event[0] for event in events if event[1] == "send" and event[4] == pipe]


def test_radios_are_raced_before_addresses():
    machine = racing((W, A, B))
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, W)]
    events = run(machine, 0, 40000)
    assert [(event[0], event[4]) for event in events] == [
        (4000, A), (8000, W), (16000, B), (24000, W), (40000, A)
    ]  # fmt: skip
    machine = racing((A, B))
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, A)]
    assert [event[4] for event in run(machine, 0, 16000)] == [B, A, B]


def test_the_last_resort_is_used_after_twenty_seconds_and_once_a_minute():
    machine = racing((A, SMS))
    machine.submit(K, ALARM, 0)
    events = run(machine, 0, 200000)
    assert on(events, SMS) == [20000, 80000, 140000, 200000]
    assert on(events, A)[:4] == [4000, 8000, 16000, 24000], "beside the others, never instead of them"
    assert [event[3] for event in events] == list(range(2, len(events) + 2)), "an attempt is an attempt"
    machine.receipt(K, STORED, 200000)
    assert not on(run(machine, 200000, 900000), SMS)


def test_the_last_resort_is_used_at_once_when_nothing_else_is_up():
    machine = racing((SMS,))
    machine.timeout(0)
    machine.timeout(60000)
    assert machine.submit(K, ALARM, 60000) == [("send", K, 1, W), ("send", K, 2, SMS)]
    machine = racing((A, SMS))
    machine.submit(K, ALARM, 0)
    machine.pipe_down(A, 2000)
    assert on(run(machine, 2000, 20000), SMS) == [5000], "a pipe that is back within three seconds needs no help"


def test_the_last_resort_carries_alarms_and_nothing_else():
    hour = 3600000
    for priority in (FAULT, HEARTBEAT, LOG):
        machine = racing((SMS,))
        machine.submit((1, 1), priority, 0)
        assert run(machine, 0, 3 * hour) == [], priority
    machine = racing((SMS, A))
    machine.submit((1, 2), FAULT, 0)
    machine.pipe_down(A, 1000)
    assert on(run(machine, 1000, 2 * hour), SMS) == []


def test_the_last_resort_has_bounds():
    minute = 60000
    machine = racing((SMS,))
    for seq in range(4):
        machine.submit((1, seq), ALARM, 0)
    events = run(machine, 0, 20000)
    assert [event[2] for event in events if event[4] == SMS] == [(1, 3), (1, 2), (1, 1), (1, 0)]
    assert on(events, SMS) == [3000, 8000, 13000, 18000], "five seconds apart, the freshest first"
    machine = racing((SMS,))
    machine.submit(K, ALARM, 0)
    sends = []
    now = 0
    while now < 60 * minute:
        now = machine.next_wakeup(now)
        sends += [now for action in machine.timeout(now) if action[3] == SMS]
    assert len(sends) == 10 + 5, "after the tenth one in ten minutes"
    assert min([sends[i + 1] - sends[i] for i in range(len(sends) - 1)]) == minute


def test_a_message_of_last_resort_that_failed_is_tried_again_sooner():
    machine = racing((A, SMS))
    machine.submit(K, ALARM, 0)
    assert on(run(machine, 0, 20000), SMS) == [20000]
    machine.failed(K, SMS, 21000)
    assert on(run(machine, 21000, 90000), SMS) == [36000]


def test_a_courier_needs_an_ordinary_pipe_and_a_radio_for_each():
    for arguments in ({"last_resort": (A,)}, {"radios": ("lte", "wifi")}):
        try:
            courier(pipes=(A,), **arguments)
        except ValueError:
            continue
        raise AssertionError(arguments)


def test_alarms_of_an_earlier_boot_go_behind_the_fresh_and_in_small_bursts():
    machine = courier(pipes=(A,), alarms=32, up=())
    for seq in range(30):
        assert machine.submit((1, seq), ALARM, 0, late=True) == []
    assert machine.next_wakeup(0) == 0
    assert [action[1][1] for action in machine.timeout(0)] == [29, 28, 27, 26]
    run(machine, 0, 60000)
    fresh = (2, 1)
    assert machine.submit(fresh, ALARM, 60100)[0] == ("send", fresh, 1, A), "a new one waits for no burst"
    run(machine, 60100, 120000)
    actions = machine.pipe_up(A, 121500)
    order = [action[1] for action in actions] + [event[2] for event in run(machine, 121500, 141500)]
    assert len(actions) == BURST
    assert order[:7] == [fresh] + [(1, seq) for seq in (29, 28, 27, 26, 25, 24)]
    assert sorted(set(order)) == sorted([fresh] + [(1, seq) for seq in range(30)])


def test_nobody_starves_behind_pipes_that_come_and_go():
    machine = courier(pipes=(A, M), alarms=32)
    for seq in range(32):
        machine.submit((1, seq), ALARM, 0)
    last = {seq: 0 for seq in range(32)}
    worst = 0
    for now in range(1000, 300000, 1000):
        actions = machine.pipe_down(M, now) + machine.pipe_up(M, now)
        for action in actions:
            worst = max(worst, now - last[action[1][1]])
            last[action[1][1]] = now
    assert worst <= 30000
    assert min([last[seq] for seq in range(32)]) > 270000


class Weather:
    """Two radios and SMS that come and go and lose what they carry, from a fixed sequence of chances."""

    def __init__(self, loss):
        self.state = 7
        self.loss = loss
        self.machine = Courier(
            (W, A, B, SMS), self.draw, radios=("wifi", "lte", "lte", "lte"), last_resort=(SMS,), alarms=40
        )
        self.up = []
        self.open = {}
        self.heard = {}
        self.sms = 0
        self.last_sms = -5000
        self.sends = 0
        self.stored = 0

    def draw(self, n):
        self.state = (self.state * 1103515245 + 12345) % 2147483648
        return (self.state >> 8) % n

    def take(self, actions, now):
        actions = list(actions)
        while actions:
            action = actions.pop(0)
            if action[0] == "send":
                key, pipe = action[1], action[3]
                self.sends += 1
                if key in self.open:
                    self.heard[key] = now
                if pipe == SMS:
                    assert key in self.open, "no heartbeat by SMS"
                    assert now - self.last_sms >= 5000, "five seconds between any two"
                    self.last_sms = now
                    self.sms += 1
                if pipe not in self.up:
                    actions += self.machine.failed(key, pipe, now)
                elif self.draw(100) >= self.loss:
                    if self.open.pop(key, None) is not None:
                        self.stored += 1
                        del self.heard[key]
                    actions += self.machine.receipt(key, STORED, now)
                    actions += self.machine.receipt(key, TAKEN, now)

    def run(self, now, until):
        while True:
            due = self.machine.next_wakeup(now)
            if due is None or due > until:
                return
            assert due >= now
            now = due
            self.take(self.machine.timeout(now), now)

    def silence(self, now):
        return max([now - self.heard[key] for key in self.open] + [0])


def test_bad_weather_loses_no_alarm_and_makes_no_storm():
    for loss in (20, 90):
        weather = Weather(loss)
        machine = weather.machine
        now = longest = 0
        for step in range(300):
            key = (1, step)
            if weather.draw(3) and len(weather.open) < 30:
                weather.open[key] = now
                weather.take(machine.submit(key, ALARM, now, late=weather.draw(4) == 0), now)
            else:
                weather.take(machine.submit(key, HEARTBEAT, now), now)
            for pipe in (W, A, B, SMS):
                if weather.draw(5) == 0:
                    if pipe in weather.up:
                        weather.up.remove(pipe)
                        weather.take(machine.pipe_down(pipe, now), now)
                    else:
                        weather.up.append(pipe)
                        weather.take(machine.pipe_up(pipe, now), now)
            end = now + weather.draw(20000)
            weather.run(now, end)
            now = end
            longest = max(longest, weather.silence(now))
        presses = weather.stored + len(weather.open)
        weather.loss = 0
        for pipe in (W, A, B):
            weather.up.append(pipe)
            weather.take(machine.pipe_up(pipe, now), now)
        weather.run(now, now + 120000)
        assert not weather.open and machine.untaken() == 0 and weather.stored == presses, "never lost"
        assert longest <= 50000, "never silent"
        assert weather.sends * 1000 // now < 4, "no storm: attempts a second over the whole time"
        assert weather.sms and weather.sends > presses


def proving(up, radio):
    machine = racing(up, pipes=(W, A, B))
    sent = machine.submit((1, 1), HEARTBEAT, 0, radio=radio)
    return machine, sent


def test_a_heartbeat_that_proves_a_radio_keeps_to_it_and_then_takes_any():
    machine, sent = proving((W, A, B), "coap")
    assert sent == [("send", (1, 1), 1, A)]
    assert [event[4] for event in run(machine, 0, 60000) if event[1] == "send"] == [B, A, W]
    machine, sent = proving((W, A, B), None)
    assert sent == [("send", (1, 1), 1, W)]
    assert [event[4] for event in run(machine, 0, 60000) if event[1] == "send"] == [A, W, B]


def test_a_radio_that_is_to_be_proven_is_waited_for_and_not_for_ever():
    machine, sent = proving((W,), "coap")
    assert sent == [] and machine.next_wakeup(0) == PROVING_WAIT
    assert machine.timeout(PROVING_WAIT) == [("send", (1, 1), 1, W)]
    machine, sent = proving((W,), "coap")
    assert sent == []
    assert machine.pipe_up(B, 2000) == [("send", (1, 1), 1, B)]
    machine, sent = proving((W,), "coap")
    assert machine.submit(K, ALARM, 1000) == [("send", K, 1, W)], "an alarm waits for no proof"


def test_without_radios_of_its_own_each_address_comes_first():
    """The negative control of the race: two addresses of one silent radio, and the other radio after eight seconds."""
    pipes = (W, ("wifi", 1), A)
    machine = courier(pipes=pipes, up=pipes)
    machine.submit(K, ALARM, 0)
    assert on(run(machine, 0, 20000), A) == [8000]
    machine = racing(pipes, pipes=pipes)
    machine.submit(K, ALARM, 0)
    assert on(run(machine, 0, 20000), A)[0] == 4000
