"""The board's own network: brought up beside everything else, and names that hold up no press."""

import asyncio
import socket

from board_wires import BOARD, LINK

from firmware.ports import own, sockets
from firmware.ports.clock import Clock

UDP = socket.SOCK_DGRAM
PATIENCE_MS = 60000


class World:
    """A clock, look-ups that take as long as they are told, and what Peer asks of its network."""

    def __init__(self, urgent=False, spare=True, takes=0):
        self.clock = self
        self.at = 0
        self.alarm = urgent
        self.other = spare
        self.takes = takes
        self.answer = "first"
        self.asked = 0

    def now(self):
        return self.at

    def urgent(self):
        return self.alarm

    def spare(self):
        return self.other

    def resolve(self, host, port, kind):
        self.asked += 1
        self.at += self.takes
        if self.answer is None:
            raise OSError(2)
        return self.answer


def named(world, host="fleet.test"):
    return own.Peer(world, host, 5683)


def where(world, peer):
    """The address, or None."""
    kept = sockets.resolve
    sockets.resolve = world.resolve
    try:
        return peer.where(UDP)
    except OSError:
        return None
    finally:
        sockets.resolve = kept


def test_an_address_in_figures_is_used_at_once():
    world = World(urgent=True)
    assert where(world, named(world, "192.0.2.1")) == "first"


def test_a_press_is_not_held_up_by_a_name_while_there_is_another_radio():
    world = World(urgent=True, takes=14000)
    peer = named(world)
    assert where(world, peer) is None and world.asked == 0
    world.at = own.HEAD_START_MS - 1
    assert where(world, peer) is None and world.asked == 0
    world.at = own.HEAD_START_MS
    assert where(world, peer) == "first", "and not given up for ever: the other radio may be deaf"
    alone = World(urgent=True, spare=False)
    assert where(alone, named(alone)) == "first"


def test_what_is_known_serves_a_press_and_is_asked_anew_when_there_is_none():
    world = World()
    peer = named(world)
    assert where(world, peer) == "first"
    world.answer = "second"
    peer.forget(5000)
    world.alarm = True
    assert where(world, peer) == "first" and world.asked == 1
    world.alarm = False
    assert where(world, peer) == "second" and world.asked == 2
    world.answer = None
    peer.forget(0)
    assert where(world, peer) == "second", "an old address is better than none"


def test_a_server_that_has_moved_is_found_while_a_press_waits():
    world = World()
    peer = named(world)
    assert where(world, peer) == "first"
    world.answer = "second"
    world.alarm = True
    peer.forget(5000)
    world.at = 4000
    # Said again, it is not put off.
    peer.forget(5000)
    assert where(world, peer) == "first"
    world.at = 5000
    assert where(world, peer) == "second"


def test_a_look_up_that_has_blocked_is_not_soon_repeated():
    for urgent, spare, parts in ((False, True, own.NAME_PARTS), (True, False, 1)):
        world = World(urgent, spare, takes=2000)
        world.answer = None
        peer = named(world)
        assert where(world, peer) is None and world.asked == 1
        world.at += 2000 * parts - 1
        assert where(world, peer) is None and world.asked == 1
        world.at += 1
        world.answer = "first"
        assert where(world, peer) == "first" and world.asked == 2


class Pipe:
    def __init__(self, network):
        self.network = network
        self.heard = []

    def renew(self):
        self.heard.append("renew")

    def changed(self):
        self.heard.append(self.network.up)


async def until(condition):
    for _ in range(PATIENCE_MS // 10):
        if condition():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError("it never came")


def never():
    return False


def test_a_link_that_comes_and_goes_is_told_and_taken_up_again():
    BOARD.inputs[LINK] = 1
    network = own.OwnNetwork(["wlan", "name", "password"], Clock(), never)
    pipe = Pipe(network)
    network.add(pipe)
    assert not network.up

    async def scenario():
        running = asyncio.create_task(network.run())
        await until(lambda: pipe.heard == ["renew", True])
        BOARD.inputs[LINK] = 0
        await until(lambda: pipe.heard == ["renew", True, False])
        BOARD.inputs[LINK] = 1
        await until(lambda: pipe.heard == ["renew", True, False, "renew", True])
        running.cancel()

    asyncio.run(scenario())
    assert network.errors == 0


class Broken:
    """A radio that cannot be had at first, and then refuses some times."""

    STA_IF = 0

    def __init__(self, times):
        self.left = times
        self.words = None
        self.on = []
        self.there = False

    def WLAN(self, kind):
        self.there, before = True, self.there
        if not before:
            raise RuntimeError("Wifi Unknown Error 0x0101")
        return self

    def active(self, on):
        self.on.append(on)

    def isconnected(self):
        return self.words is not None

    def disconnect(self):
        pass

    def connect(self, *words):
        self.left -= 1
        if self.left >= 0:
            raise OSError("Wifi Internal Error")
        self.words = words


def test_a_radio_that_refuses_is_switched_off_and_on_and_an_alarm_ends_the_pause():
    radio = Broken(own.ANEW)
    kept = own.radios
    own.radios = lambda settings: radio
    network = own.OwnNetwork(["wlan", "name", ""], Clock(), never)
    own.radios = kept

    async def scenario():
        running = asyncio.create_task(network.run())

        def up():
            network.hurry()
            return network.up

        await until(up)
        running.cancel()

    asyncio.run(scenario())
    assert network.errors == own.ANEW + 1 and radio.on.count(False) == 1 and radio.on[-1]
    assert radio.words == ("name",), "an open network is asked without a password"


def test_a_network_that_somebody_else_has_brought_up_is_up():
    for settings in (None, ["lan"]):
        network = own.OwnNetwork(settings, Clock(), never)
        assert network.up
        asyncio.run(network.run())
