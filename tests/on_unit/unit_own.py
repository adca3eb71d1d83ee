"""The board's own network: brought up beside everything else, and names that hold up no press."""

import asyncio
import socket

import board
import machine
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


class Cabled:
    """A network with Ethernet alone. Switched on or off it says so; `plugged` is the cable, `answers` the chip. WLAN's
    own calls are not there: whoever makes them fails."""

    PHY_LAN8720 = 7

    def __init__(self, plugged=True, answers=True):
        self.plugged = plugged
        self.answers = answers
        self.made = []
        self.on = []

    def LAN(self, **words):
        self.made.append(words)
        if not self.answers:
            raise OSError("esp_eth_driver_install failed")
        return self

    def active(self, on):
        self.on.append(on)

    def isconnected(self):
        return self.plugged and self.on[-1]


class Marked:
    """What the watchdog gives a task."""

    def __init__(self):
        self.paused = False

    def alive(self, now):
        self.paused = False

    def pause(self):
        self.paused = True


class Swift(Clock):
    """A clock whose every look is ten seconds later: what takes minutes is seen soon."""

    at = 0

    def now(self):
        self.at += 10000
        return self.at


class Modem:
    up = True


def cabled(radio, clock=None, urgent=never, modem=None):
    kept = own.radios
    own.radios = lambda settings: radio
    network = own.OwnNetwork(["lan"], clock or Clock(), urgent, modem)
    own.radios = kept
    network.mark = Marked()
    network.add(Pipe(network))
    return network


def run_until(network, condition):
    async def scenario():
        running = asyncio.create_task(network.run())
        await until(condition)
        running.cancel()

    asyncio.run(scenario())


def test_a_cable_that_is_pulled_is_told_and_taken_up_again():
    radio = Cabled()
    network = cabled(radio)
    heard = network._pipes[0].heard
    assert not network.up

    async def scenario():
        running = asyncio.create_task(network.run())
        await until(lambda: heard == ["renew", True])
        radio.plugged = False
        await until(lambda: heard == ["renew", True, False])
        radio.plugged = True
        await until(lambda: heard == ["renew", True, False, "renew", True])
        running.cancel()

    asyncio.run(scenario())
    assert radio.made == [{"phy_type": 7, "phy_addr": 1, "mdc": 23, "mdio": 18}], "made once, as the board says"
    assert network.errors == 0 and all(radio.on)


def test_a_cable_that_is_not_there_is_counted_and_its_interface_seldom_switched():
    radio = Cabled(plugged=False)
    network = cabled(radio, Swift())
    run_until(network, lambda: network.errors > 2 * own.ANEW)
    assert radio.on.count(False) == 2 and radio.on[-1], "after ANEW failures and twice as many"
    assert radio.on.index(False) == own.ANEW and len(radio.made) == 1
    assert not network.up and not network._pipes[0].heard and not network.mark.paused
    radio.plugged = True
    run_until(network, lambda: network.up)


def test_no_interface_is_switched_while_a_press_may_go_over_the_modem():
    radio = Cabled(plugged=False)
    network = cabled(radio, Swift(), lambda: True, Modem())
    run_until(network, lambda: network.errors > own.ANEW)
    assert radio.on and all(radio.on)
    alone = Cabled(plugged=False)
    network = cabled(alone, Swift(), lambda: True)
    run_until(network, lambda: network.errors > own.ANEW)
    assert not all(alone.on)


def resting(radio):
    """A network in its longest pause."""
    network = cabled(radio)
    network._plug()
    network._begin()
    return network


def test_a_cable_that_is_put_in_or_an_alarm_ends_the_pause():
    for ends in (lambda network, radio: setattr(radio, "plugged", True), lambda network, radio: network.hurry()):
        radio = Cabled(plugged=False)
        network = resting(radio)

        async def scenario(network=network, radio=radio, ends=ends):
            pause = asyncio.create_task(network._rest(1 << 29))
            await asyncio.sleep_ms(0)
            assert not pause.done()
            ends(network, radio)
            await until(pause.done)

        asyncio.run(scenario())


def test_a_chip_that_does_not_answer_is_asked_once_and_keeps_nothing_from_running():
    radio = Cabled(answers=False)
    network = cabled(radio)
    asyncio.run(network.run())
    assert network.errors == 1 and len(radio.made) == 1
    assert not network.up and network.mark.paused


def test_a_wrong_board_keeps_nothing_from_running():
    kept = board.ETHERNET
    for wrong in ({}, {"phy_type": "PHY_NOBODY"}, {"phy_type": "PHY_LAN8720", "ref_clk_mode": "UP"}):
        board.ETHERNET = wrong
        radio = Cabled()
        network = cabled(radio)
        try:
            asyncio.run(network.run())
        finally:
            board.ETHERNET = kept
        assert network.errors == 1 and not network.up and not radio.made


def test_a_board_says_its_clock_and_its_bus_by_name():
    kept, made = board.ETHERNET, []
    board.ETHERNET = {"phy_type": "PHY_LAN8720", "ref_clk_mode": "OUT", "spi": (1, {"sck": 12, "mosi": 13, "miso": 14})}
    machine.SPI = lambda number, **wires: made.append((number, wires)) or "bus"
    radio = Cabled()
    try:
        own.ethernet(radio)
    finally:
        board.ETHERNET = kept
        del machine.SPI
    assert radio.made == [{"phy_type": 7, "ref_clk_mode": machine.Pin.OUT, "spi": "bus"}]
    assert made == [(1, {"sck": 12, "mosi": 13, "miso": 14})]


def test_the_simulated_boards_cable():
    BOARD.inputs[LINK] = 0
    network = own.OwnNetwork(["lan"], Clock(), never)
    assert not network.up

    async def scenario():
        running = asyncio.create_task(network.run())
        await until(lambda: network._link is not None)
        BOARD.inputs[LINK] = 1
        await until(lambda: network.up)
        running.cancel()

    asyncio.run(scenario())


def test_a_network_that_somebody_else_has_brought_up_is_up():
    kept = board.ETHERNET
    del board.ETHERNET
    try:
        for settings in (None, ["lan"]):
            network = own.OwnNetwork(settings, Clock(), never)
            network.mark = Marked()
            assert network.up
            asyncio.run(network.run())
            assert network.up and network.mark.paused
    finally:
        board.ETHERNET = kept
