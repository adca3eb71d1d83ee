"""A real unit over MQTT with TLS: verified both ways, and the session outlives its connections."""

import asyncio
from collections import Counter

import pytest

from firmware.core import events
from protocols.wire import messages
from provisioning.ca import CertificateAuthority


def test_three_stages_over_mqtt(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.mqtt()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        alarm = far.alarms(1)[0]
        far.raise_stage(1, alarm.boot, alarm.seq, messages.ACCEPTED)
        await fleet.wait_lamp(1, "accepted", 60)
        far.raise_stage(1, alarm.boot, alarm.seq, messages.TAKEN)
        await fleet.wait_lamp(1, "taken", 60)

    on_street(scenario, pipes=("mqtt",))


def test_a_session_that_is_present_is_resumed_again_and_again(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        end = await street.mqtt()
        await fleet.start(street.folders)
        for number in range(1, 4):
            await far.until(lambda count=number: len(far.heartbeats(1)) >= count)
            end.cut(1)
            await fleet.press(1)
            await far.until(lambda count=number: len({one.seq for one in far.alarms(1)}) == count)
        assert end.connections == [("00000001", False)] + [("00000001", True)] * (len(end.connections) - 1)
        assert len(end.connections) >= 4

    on_street(scenario, pipes=("mqtt",), heartbeat_s=1)


def test_a_press_without_connection_ends_the_pause_at_once(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "trying", 60)
        await street.mqtt()
        await fleet.wait_lamp(1, "stored", 60)
        assert len({(one.boot, one.seq) for one in far.alarms(1)}) == 1

    on_street(scenario, pipes=("mqtt",))


def test_kill_9_between_press_and_receipt(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        await street.mqtt()
        await fleet.start(street.folders)
        await fleet.press(1)
        await far.until(lambda: far.alarms(1))
        first = far.alarms(1)[0]
        await fleet.kill(1)
        far.stage_of_alarms = messages.STORED
        await fleet.restart(1)
        await fleet.wait_lamp(1, "stored", 60)
        assert {(one.boot, one.seq) for one in far.alarms(1)} == {(first.boot, first.seq)}
        assert len(far.alarms(1)) > 1

    on_street(scenario, pipes=("mqtt",))


def test_an_alarm_gives_a_half_open_connection_up_before_the_wearer_is_told_of_a_failure(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        end = await street.mqtt()
        await fleet.start(street.folders)
        await far.until(lambda: far.heartbeats(1))
        end.freeze(1)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        assert (1, "not_delivered") not in street.lamps
        assert len(end.connections) == 2

    on_street(scenario, pipes=("mqtt",))


def test_a_server_that_commits_slowly_keeps_the_connection(on_street):
    """The control: the line answers pings, so that the alarm is sent again but nobody connects anew."""

    async def scenario(street):
        far, fleet = street.far, street.fleet
        far.stage_of_alarms = None
        end = await street.mqtt()
        await fleet.start(street.folders)
        await far.until(lambda: far.heartbeats(1))
        await fleet.press(1)
        # 4 s apart; an alarm gives up a line that is silent for 5, as this machine may be for once.
        await far.until(lambda: max(Counter(end.bore_alarms).values(), default=0) >= 3, timeout=120)

    on_street(scenario, pipes=("mqtt",))


def refused(on_street, reason, **server):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        end = await street.mqtt(**(server if "names" in server else {"authority": server["authority"](street)}))
        await fleet.start(street.folders)
        await fleet.press(1)
        async with asyncio.timeout(60):
            while street.console().count(reason) < 2:
                await asyncio.sleep(0.05)
        assert set(street.shown()) <= {"trying", "not_delivered"}
        assert not far.received
        assert not end.connections

    on_street(scenario, pipes=("mqtt",))


def test_a_server_of_another_authority_is_refused(on_street):
    refused(
        on_street, "not correctly signed", authority=lambda street: CertificateAuthority.open(street.folder / "other")
    )


def test_a_server_of_another_name_is_refused(on_street):
    refused(on_street, "CN", names=["other.test", "127.0.0.1"])


@pytest.mark.parametrize("file", ["ca.der", "key.der"])
def test_certificates_that_are_damaged_on_flash_are_told_and_cost_the_other_way_nothing(on_street, file):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        (street.folders[1] / file).write_bytes(b"\x30\x03\x02\x01")
        ended = []
        fleet.on_exit = lambda unit, status: ended.append(status)
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        fault = {1: events.FAULT_CONFIG, 2: 1, 3: "5: certificates"}
        await far.until(lambda: any(getattr(one, "data", None) == fault for _, one in far.received), 90)
        assert not ended, street.console()

    on_street(scenario, pipes=("mqtt", "coap"), heartbeat_s=5)


def test_coap_carries_on_when_the_mqtt_server_is_not_to_be_trusted(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.mqtt(names=["other.test"])
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        assert far.alarms(1)

    on_street(scenario, pipes=("mqtt", "coap"))


def test_five_and_twenty_units_at_once(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.mqtt()
        await fleet.start(street.folders)
        assert len(set(fleet.pids().values())) == 25
        assert "MicroPython" in fleet.interpreter
        await asyncio.gather(*[fleet.press(unit) for unit in street.folders])
        await asyncio.gather(*[fleet.wait_lamp(unit, "stored", 60) for unit in street.folders])
        assert all(len({one.seq for one in far.alarms(unit)}) == 1 for unit in street.folders)

    on_street(scenario, pipes=("mqtt",), count=25)
