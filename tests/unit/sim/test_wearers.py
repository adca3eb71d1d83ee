"""A simulated unit hears what was meant for another one, as where it got the address of one that has left."""

import asyncio

import pytest

from fleet.registry.directory import Aead
from protocols.wire import coap, messages, seal
from provisioning.identity import make_identity
from sim.lockstep import EPOCH
from sim.scenarios.wearers import BrainUnit, Plan, sha256
from sim.scenarios.world import World

MINE, ANOTHER = 41, 42


class Way:
    """Nothing that the unit sends arrives."""

    def __init__(self):
        self.sent = []

    def up(self, datagram):
        self.sent.append(datagram)


def pushed(identity, message, mid):
    """What the fleet's door sends by itself to the address of a unit."""
    key, _ = seal.derive(sha256, identity.secret16, seal.kid(identity.unit, identity.generation), seal.DOWN)
    frame = seal.seal_down(Aead(key), mid.to_bytes(13, "big"), message.encode())
    return coap.encode(coap.NON, coap.POST, mid, b"", coap.path_options("d"), frame)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def me():
    return make_identity(MINE)


@pytest.fixture
def unit(world, me):
    made = BrainUnit(world, Plan(me, 300), 1)
    made.connect(Way())
    yield made
    made.close()


def test_another_units_frame_is_refused_and_counted(unit, me):
    receipt = messages.Receipt(items=[(1, 1, messages.TAKEN)], time=EPOCH)
    unit.down(pushed(make_identity(ANOTHER), receipt, 7))
    assert unit.refused == 1
    unit.down(b"\xff" * 40)
    assert unit.refused == 2
    unit.down(pushed(me, receipt, 8))
    assert unit.refused == 2, "its own frame is heard"


def test_its_press_shows_the_stages_of_its_own_receipts_alone(world, unit, me):
    unit.contact(True)
    asyncio.run(world.run_until(world.clock.now() + 1))
    assert unit.stage == "trying"
    every_key = [(1, seq, messages.TAKEN) for seq in range(1, 5)]
    unit.down(pushed(make_identity(ANOTHER), messages.Receipt(items=every_key, time=EPOCH), 7))
    assert unit.stage == "trying" and unit.refused == 1
    unit.down(pushed(me, messages.Receipt(items=every_key, time=EPOCH), 8))
    assert unit.stage == "taken" and unit.refused == 1
