"""A real unit over CoAP: the three stages reach the wearer, and nothing but a genuine receipt counts."""

import asyncio
import secrets

from protocols.wire import messages
from sim.units import read_journal


def test_three_stages_reach_the_wearer(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        alarm = far.alarms(1)[0]
        assert (alarm.boot, alarm.kind, alarm.input, alarm.count, alarm.attempt) == (1, 1, 0, 1, 1)
        assert alarm.age < 60, "of this press"
        far.raise_stage(1, alarm.boot, alarm.seq, messages.ACCEPTED)
        await fleet.wait_lamp(1, "accepted", 60)
        far.raise_stage(1, alarm.boot, alarm.seq, messages.TAKEN)
        await fleet.wait_lamp(1, "taken", 60)
        assert street.shown() == ["trying", "stored", "accepted", "taken"]
        (entry,) = read_journal(street.folders[1])
        assert (entry.boot, entry.seq, entry.kind, entry.stage) == (1, alarm.seq, 1, messages.TAKEN)

    on_street(scenario)


def test_a_press_survives_kill_9_between_journal_and_receipt(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "trying", 60)
        await far.until(lambda: far.alarms(1))
        first = far.alarms(1)[0]
        await fleet.kill(1)
        assert fleet.pids() == {}
        assert fleet.lamp(1) == "off"
        far.stage_of_alarms = messages.STORED
        await fleet.restart(1)
        await fleet.wait_lamp(1, "stored", 60)
        again = next(one for one in far.alarms(1) if one.flags)
        assert (again.boot, again.seq) == (first.boot, first.seq)
        assert again.boot == 1, "the boot of the press, not of the attempt"
        assert again.flags == messages.ALARM_AGE_IS_LOWER_BOUND
        assert again.attempt == 1
        # The journal is consumed: after one more restart the press is asked for, not sent.
        await fleet.kill(1)
        sent = len(far.alarms(1))
        await fleet.restart(1)
        await fleet.wait_lamp(1, "stored", 60)
        await far.until(lambda: any(isinstance(one, messages.Query) for _, one in far.received))
        assert len(far.alarms(1)) == sent
        assert {envelope.counter for envelope in far.envelopes if envelope.kid_context} == set()
        # CoAP repeats a datagram that is not answered in time, byte for byte: one frame, however often it came.
        frames = {(envelope.counter, envelope.ciphertext) for envelope in far.envelopes}
        assert len({counter for counter, _ in frames}) == len(frames)

    on_street(scenario)


def test_only_a_genuine_receipt_counts_and_others_are_reported(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        end = await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await far.until(lambda: far.alarms(1))
        alarm = far.alarms(1)[0]
        row = [(alarm.boot, alarm.seq, messages.STORED)]
        genuine = far.receipt(1, row)
        bad = [
            far.receipt(1, row, secret=secrets.token_bytes(16)),
            genuine[:-1] + bytes((genuine[-1] ^ 1,)),
            genuine[:-1],
            genuine + b"\0",
            messages.Receipt(items=row).encode(),
            b"",
        ]
        for frame in bad:
            end.push(1, frame)
        await far.until(lambda: any(one.refused == len(bad) for one in far.heartbeats(1)))
        assert "stored" not in street.shown()
        assert read_journal(street.folders[1])[0].stage == 0
        end.push(1, genuine)
        await fleet.wait_lamp(1, "stored", 60)

    on_street(scenario, heartbeat_s=2)


def test_not_delivered_after_15_s_without_a_server_and_still_trying(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "not_delivered", 60)
        await street.coap()
        await fleet.wait_lamp(1, "stored", 60)
        # What is heard may be the repetition of an attempt some seconds old, so its age is of then.
        assert far.alarms(1)[-1].attempt > 1
        assert street.shown() == ["trying", "not_delivered", "stored"]

    on_street(scenario)


def test_a_second_address_is_tried_when_the_first_is_dead(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap(1)
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        assert far.alarms(1)[0].attempt == 2

    on_street(scenario, coap_ports=2)


def test_every_press_is_a_press_and_the_count_goes_on(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        await fleet.start(street.folders)
        for _ in range(3):
            await fleet.press(1)
        await far.until(lambda: len({one.seq for one in far.alarms(1)}) == 3)
        assert list(dict.fromkeys(one.count for one in far.alarms(1))) == [1, 2, 3]
        await asyncio.gather(*[fleet.press(1) for _ in range(3)])
        await far.until(lambda: len({one.seq for one in far.alarms(1)}) == 6)
        assert [entry.count for entry in read_journal(street.folders[1])] == [1, 2, 3, 4, 5, 6]

    on_street(scenario)


def test_heartbeats_carry_the_echo_and_the_first_one_the_status(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        await fleet.start(street.folders)
        # The first one that was sent behind a receipt; before that each is like the first.
        await far.until(lambda: any(one.echo is not None for one in far.heartbeats(1)))
        first, second = far.heartbeats(1)[0], next(one for one in far.heartbeats(1) if one.echo is not None)
        assert first.status[messages.STATUS_VERSION] == "0.2.0"
        assert first.status[messages.STATUS_HEAP_LOW] > 0
        assert first.echo is None
        assert second.status is None
        assert second.echo > 1_800_000_000
        assert (first.next_due, first.open, first.attempts) == (1, 0, 1)

    on_street(scenario, heartbeat_s=1)


def test_a_unit_whose_counters_are_lost_still_sends(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        (street.folders[1] / "counters").unlink()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        alarm = far.alarms(1)[0]
        assert alarm.boot >= 1 << 31
        contexts = {envelope.kid_context for envelope in far.envelopes}
        assert len(contexts) == 1 and None not in contexts
        await fleet.restart(1)
        await far.until(lambda: any(isinstance(one, messages.Query) for _, one in far.received))
        assert {envelope.kid_context for envelope in far.envelopes} == contexts
        assert len({envelope.counter for envelope in far.envelopes}) == len(far.envelopes)

    on_street(scenario)
