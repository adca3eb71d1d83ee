"""The courier: alarms until they are stored, and everything else behind them; the same on both engines."""

from couriers import A, B, K, M, courier, run

from protocols.wire.courier import ACCEPTED, ALARM, FAULT, HEARTBEAT, LATE, LOG, STORED, TAKEN


def test_an_alarm_goes_at_once_and_then_by_the_table():
    machine = courier(pipes=(A,))
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, A)]
    times = [event[0] for event in run(machine, 0, 200000)]
    assert times == [4000, 8000, 16000, 24000, 40000, 70000, 100000, 130000, 160000, 190000]


def test_an_alarm_is_retried_for_ever():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    day = 86400000
    events = run(machine, 0, 10 * day)
    assert events[-1][0] > 10 * day - 30001
    assert events[-1][3] == 10 * 2880 + 4, "one attempt every 30 s, and a few more at the start"
    assert machine.receipt(K, STORED, 10 * day) == [("stage", K, STORED)]


def test_attempts_go_round_the_pipes_that_are_up():
    machine = courier(up=(A, M))
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, A)]
    assert [event[4] for event in run(machine, 0, 30000)] == [M, A, M, A]
    machine = courier(up=(M,))
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, M)]


def test_with_no_pipe_known_an_alarm_tries_them_all():
    machine = courier(up=())
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, A)]
    assert [event[4] for event in run(machine, 0, 30000)] == [B, M, A, B]


def test_only_a_receipt_stops_an_alarm():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    assert machine.sent(K, 100) == []
    assert machine.receipt((1, 8), STORED, 100) == []
    assert machine.receipt(K, 0, 100) == []
    assert machine.unstored() == 1
    assert run(machine, 100, 5000) == [(4100, "send", K, 2, A)]
    assert machine.receipt(K, STORED, 5000) == [("stage", K, STORED)]
    assert machine.unstored() == 0 and machine.untaken() == 1
    assert [event[1] for event in run(machine, 5000, 60000)] == ["query"] * 5


def test_stages_only_grow():
    machine = courier()
    machine.submit(K, ALARM, 0)
    assert machine.receipt(K, ACCEPTED, 10) == [("stage", K, ACCEPTED)]
    assert machine.receipt(K, STORED, 20) == []
    assert machine.receipt(K, ACCEPTED, 20) == []
    assert machine.receipt(K, TAKEN, 30) == [("stage", K, TAKEN)]
    assert machine.receipt(K, STORED, 40) == []
    assert machine.untaken() == 0 and machine.next_wakeup(40) is None


def test_the_same_key_is_taken_over_once():
    machine = courier()
    machine.submit(K, ALARM, 0)
    assert machine.submit(K, ALARM, 10) == []
    machine.submit((1, 8), LOG, 10)
    assert machine.submit((1, 8), LOG, 20) == []


def test_queries_until_taken():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    machine.receipt(K, STORED, 0)
    now = 0
    times = []
    while now < 500000:
        now = machine.next_wakeup(now)
        actions = machine.timeout(now)
        assert actions == [("query", [K], A)]
        times.append(now)
        machine.receipt(K, STORED, now)
    assert times == list(range(10000, 310000, 10000)) + [360000, 420000, 480000, 540000]
    machine.receipt(K, TAKEN, now)
    assert machine.next_wakeup(now) is None


def test_an_alarm_that_is_never_taken_is_forgotten_after_a_day():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    machine.receipt(K, STORED, 0)
    events = run(machine, 0, 90000000)
    assert events[-1] == (86400000, "forgotten", K)
    assert machine.next_wakeup(90000000) is None and machine.untaken() == 0


def test_queries_ride_together_and_name_at_most_eight():
    machine = courier(pipes=(A,))
    for seq in range(11):
        machine.submit((1, seq), ALARM, 0)
    for seq in range(11):
        machine.receipt((1, seq), STORED, seq * 100)
    events = run(machine, 1000, 10000)
    assert events == [
        (10000, "query", [(1, seq) for seq in (10, 9, 8, 7, 6, 5, 4, 3)], A),
        (10000, "query", [(1, seq) for seq in (2, 1, 0)], A),
    ]


def test_an_unanswered_query_tries_another_pipe():
    machine = courier(up=(A, M))
    machine.submit(K, ALARM, 0)
    machine.receipt(K, STORED, 0)
    assert [event[3] for event in run(machine, 0, 30000)] == [A, M, A]
    machine.receipt(K, STORED, 30000)
    assert [event[3] for event in run(machine, 30000, 50000)] == [M, A], "played again it proves no pipe"
    machine.answered()
    assert [event[3] for event in run(machine, 50000, 60000)] == [A]


def test_a_stored_alarm_of_a_journal_is_only_asked_for():
    machine = courier(pipes=(A,))
    assert machine.submit(K, ALARM, 0, STORED) == [("query", [K], A)]
    assert machine.submit((1, 8), ALARM, 0, TAKEN) == []
    assert machine.untaken() == 1


def test_alarms_go_first_and_the_freshest_before_the_older():
    machine = courier(pipes=(A,), up=())
    machine.submit((1, 1), ALARM, 0)
    machine.submit((1, 2), FAULT, 0)
    machine.submit((1, 3), ALARM, 0)
    machine.submit((1, 4), LOG, 0)
    machine.submit((1, 5), HEARTBEAT, 0)
    actions = machine.pipe_up(A, 5000)
    assert [action[1] for action in actions] == [(1, 3), (1, 1)]
    events = run(machine, 5000, 40000)
    alarms = [event[0] for event in events if event[2] in ((1, 1), (1, 3))]
    assert alarms == [9000, 9000, 13000, 13000, 21000, 21000, 29000, 29000]
    # The others wait for their jitter (30 s here), and then go in the order of their classes.
    assert [event[2] for event in events if event[0] == 35000] == [(1, 2), (1, 5), (1, 4)]


def test_nothing_else_is_sent_in_the_first_seconds_of_an_alarm():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    assert machine.submit((1, 8), HEARTBEAT, 1000) == []
    events = run(machine, 1000, 8000)
    assert [(event[0], event[2]) for event in events] == [(4000, K), (8000, K), (8000, (1, 8))]
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    machine.submit((1, 8), HEARTBEAT, 1000)
    assert machine.receipt(K, STORED, 1500) == [("stage", K, STORED), ("send", (1, 8), 1, A)]


def test_heartbeats_are_replaced_and_given_up():
    machine = courier(pipes=(A,))
    assert machine.submit((1, 1), HEARTBEAT, 0) == [("send", (1, 1), 1, A)]
    assert machine.submit((1, 2), HEARTBEAT, 100) == [("give_up", (1, 1)), ("send", (1, 2), 1, A)]
    assert machine.receipt((1, 1), STORED, 200) == []
    events = run(machine, 200, 1000000)
    assert [event[1] for event in events] == ["send", "send", "send", "give_up"]
    assert machine.next_wakeup(1000000) is None
    machine.submit((1, 3), HEARTBEAT, 0)
    assert machine.receipt((1, 3), STORED, 50) == [("stage", (1, 3), STORED)]
    assert machine.next_wakeup(50) is None


def test_only_others_have_jitter():
    for random, expected in ((lambda n: 0, 4000), (lambda n: n - 1, 6000)):
        machine = courier(pipes=(A,), random=random)
        machine.submit((1, 1), HEARTBEAT, 0)
        assert machine.next_wakeup(0) == expected
        machine = courier(pipes=(A,), random=random)
        machine.submit(K, ALARM, 0)
        assert machine.next_wakeup(0) == 4000


def test_after_an_outage_alarms_go_at_once_and_heartbeats_later():
    for random, expected in ((lambda n: 0, 100000), (lambda n: n - 1, 160000)):
        machine = courier(pipes=(A,), up=(), random=random)
        machine.submit((1, 1), HEARTBEAT, 0)
        assert machine.next_wakeup(0) is None, "nothing is sent into the void but alarms"
        assert machine.pipe_up(A, 100000) == ([("send", (1, 1), 1, A)] if expected == 100000 else [])
        if expected > 100000:
            assert machine.next_wakeup(100000) == expected
    # A reconnect of its own: 10 s at most, once.
    machine = courier(pipes=(A,), up=(), random=lambda n: n - 1)
    machine.submit((1, 1), HEARTBEAT, 0)
    machine.alone()
    assert machine.pipe_up(A, 100000) == [] and machine.next_wakeup(100000) == 110000
    machine.pipe_down(A, 105000)
    assert machine.pipe_up(A, 106000) == [] and machine.next_wakeup(106000) == 166000
    machine = courier(pipes=(A,), up=())
    machine.submit(K, ALARM, 0)
    run(machine, 0, 99500)
    assert machine.pipe_up(A, 99500) == [("send", K, 8, A)]
    assert [event[0] for event in run(machine, 99500, 110000)] == [103500, 107500], "the table starts anew"


def test_a_heartbeat_that_was_announced_waits_no_longer_than_another_path_may_cost():
    for by, latest in (
        (100000, 100000 + LATE),
        (100000 - LATE + 1, 100001),
        (150000, 160000),
        # Too late already, as a whole fleet is after a long outage; and nothing arrived yet that announced it.
        (100000 - LATE, 160000),
        (0, 160000),
        (None, 160000),
    ):
        machine = courier(pipes=(A,), up=(), random=lambda n: n - 1)
        machine.submit((1, 1), HEARTBEAT, 0, by=by)
        assert machine.pipe_up(A, 100000) == []
        assert machine.next_wakeup(100000) == min(latest, 160000), by
    # By now its time is nearer than the jitter is long.
    machine = courier(pipes=(A,), up=(), random=lambda n: n - 1)
    machine.submit((1, 1), HEARTBEAT, 0, by=60000)
    machine.submit((1, 2), LOG, 0)
    machine.pipe_up(A, 100000)
    events = run(machine, 100000, 160000)
    assert next(event[0] for event in events if event[2] == (1, 1)) == 60000 + LATE
    assert next(event[0] for event in events if event[2] == (1, 2)) == 160000, "nobody waits for a log"


def test_an_alarm_is_never_sent_twice_within_a_second():
    machine = courier(up=())
    machine.submit(K, ALARM, 0)
    assert machine.pipe_up(B, 100) == []
    assert machine.next_wakeup(100) == 1000
    assert machine.timeout(1000) == [("send", K, 2, B)]
    assert machine.pipe_up(A, 1100) == []
    assert machine.pipe_down(B, 1200) == []
    assert machine.timeout(1999) == []
    assert machine.timeout(2000) == [("send", K, 3, A)]


def test_a_pipe_that_goes_down_hastens_its_alarms_only():
    machine = courier(up=(A, M))
    machine.submit(K, ALARM, 0)
    assert machine.pipe_down(M, 2000) == []
    assert machine.next_wakeup(2000) == 4000
    machine.pipe_up(M, 2000)
    assert machine.timeout(2000) == []
    machine = courier(up=(A, M))
    machine.submit(K, ALARM, 0)
    assert machine.pipe_down(A, 2000) == [("send", K, 2, M)]


def test_a_pipe_that_comes_up_is_tried_next():
    machine = courier(up=(A, M))
    machine.submit(K, ALARM, 0)
    assert run(machine, 0, 4000) == [(4000, "send", K, 2, M)]
    assert machine.pipe_up(B, 6000) == [("send", K, 3, B)]
    assert run(machine, 6000, 14000) == [(14000, "send", K, 4, A)]


def test_failed_pipes_are_each_tried_once_before_the_retry():
    machine = courier(up=(A, B, M))
    actions = machine.submit(K, ALARM, 0)
    now = 0
    sends = []
    while now < 60000:
        while actions:
            sends.append((now, actions[0][3]))
            actions = machine.failed(K, actions[0][3], now)
        now = machine.next_wakeup(now)
        actions = machine.timeout(now)
    assert sends == [(at, pipe) for at in (0, 8000, 38000) for pipe in (A, B, M)]
    assert machine.failed((9, 9), A, now) == [] and machine.failed(K, B, now) == []


def test_an_alarm_that_no_pipe_could_send_goes_the_moment_one_is_up():
    machine = courier(pipes=(A,), up=())
    assert machine.submit(K, ALARM, 0) == [("send", K, 1, A)]
    assert machine.failed(K, A, 0) == []
    assert machine.pipe_up(A, 30) == [("send", K, 2, A)], "nothing had left the unit, so there is no gap to keep"
    assert machine.pipe_down(A, 60) == [] and machine.pipe_up(A, 90) == [], "but from a real send there is"


def test_a_slow_modem_moves_the_retry():
    machine = courier(pipes=(A,))
    machine.submit(K, ALARM, 0)
    machine.sent(K, 3000)
    assert machine.next_wakeup(3000) == 7000
    machine.sent(K, 6000)
    assert machine.next_wakeup(6000) == 7000, "one notice per attempt"
    assert machine.sent((9, 9), 6000) == []


def test_full_of_unstored_alarms():
    machine = courier(pipes=(A,), alarms=3)
    for seq in range(3):
        machine.submit((1, seq), ALARM, 0)
    assert machine.submit((1, 3), ALARM, 10) == [("full", (1, 3))]
    assert machine.unstored() == 3
    machine.receipt((1, 1), STORED, 20)
    assert machine.submit((1, 3), ALARM, 30) == [("forgotten", (1, 1)), ("send", (1, 3), 1, A)]
    assert machine.submit((1, 4), ALARM, 40) == [("full", (1, 4))]


def test_full_of_others():
    machine = courier(pipes=(A,), others=2, up=())
    machine.submit((1, 0), FAULT, 0)
    machine.submit((1, 1), LOG, 0)
    assert machine.submit((1, 2), FAULT, 0) == [("give_up", (1, 1))]
    assert machine.submit((1, 3), HEARTBEAT, 0) == [("give_up", (1, 0))]
    assert machine.submit((1, 4), HEARTBEAT, 0) == [("give_up", (1, 3))]


def test_faults_and_logs_are_retried_until_stored():
    machine = courier(pipes=(A,))
    machine.submit((1, 1), FAULT, 0)
    machine.submit((1, 2), LOG, 0)
    events = run(machine, 0, 3600000)
    assert len([event for event in events if event[2] == (1, 1)]) > 70
    assert machine.receipt((1, 1), STORED, 3600000) == [("stage", (1, 1), STORED)]
    machine.forget((1, 2))
    assert machine.next_wakeup(3600000) is None


def test_a_foreign_pipe_is_an_error():
    try:
        courier().pipe_up("carrier pigeon", 0)
    except ValueError:
        return
    raise AssertionError("a pipe that the courier does not know was accepted")
