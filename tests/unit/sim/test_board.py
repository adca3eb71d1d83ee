"""The simulated board itself, with small programs in the firmware's place: each wire, sleep, and a watchdog that bites.

A program is `firmware/main.py` of a folder that comes before the real one on the unit's search path; what it prints is
on its console.
"""

import asyncio
import os
import pty
import shutil
import termios
import textwrap
import tty

import pytest

from sim.firmware_build import ROOT
from sim.romfs import PLACE
from sim.units import UnitError

HEAD = """
import asyncio, machine, time
from board import ADCS, PINS
from machine import ADC, Pin

def pin(name, mode=Pin.IN, **more):
    return Pin(PINS[name], mode, Pin.PULL_UP, **more)

button = None

async def main():
    global button
    button = pin("button")
    print("cause", machine.reset_cause(), "wake", machine.wake_reason(), "button", button.value(), flush())
"""
TAIL = """
def flush():
    return ""

def run(spread):
    asyncio.run(main())
"""


def program(street, body):
    """The environment of a unit that runs this body after HEAD's line."""
    folder = street.folder / "program"
    (folder / "firmware").mkdir(parents=True)
    (folder / "firmware" / "__init__.py").write_text("")
    body = textwrap.indent(textwrap.dedent(body), "    ")
    (folder / "firmware" / "main.py").write_text(HEAD + body + TAIL)
    return {1: {"MICROPYPATH": f".frozen:{PLACE}/shims:{folder}:{PLACE}"}}


async def said(street, text, count=1, unit=1):
    """Until the console holds this so often."""
    console = street.folders[unit] / "console.log"
    for _ in range(3000):
        if console.exists() and console.read_text().count(text) >= count:
            return console.read_text()
        await asyncio.sleep(0.02)  # a file has no other signal
    raise AssertionError(f"{text!r} was not said {count} times:\n{street.console(unit)}")


def test_inputs_voltages_and_outputs(on_street):
    async def scenario(street):
        seen = []
        street.fleet.on_levels = lambda unit, levels: seen.append(levels)
        body = """
        power = pin("modem_power", Pin.OUT, value=1)
        speaker = pin("speaker", Pin.OUT, value=0)
        mains = pin("mains")
        mains.irq(lambda one: print("mains", one.value()), Pin.IRQ_FALLING | Pin.IRQ_RISING)
        print("start", mains.value(), pin("worn").value(), ADC(ADCS["battery"][0]).read_uv() // 1000)
        button.irq(lambda one: speaker.value(1), Pin.IRQ_FALLING)
        while True:
            await asyncio.sleep_ms(10)
            uv = ADC(ADCS["battery"][0]).read_uv()
            if uv < 1700000:
                import esp32
                print("low", uv // 1000, esp32.mcu_temperature())
                await asyncio.sleep(100)
        """
        env = program(street, body)
        fleet = street.fleet
        await fleet.start(street.folders, env)
        await said(street, "start 1 1 1950")
        await fleet.set_pin(1, "mains", 0)
        await said(street, "mains 0")
        await fleet.press(1)
        await fleet.set_voltage(1, "temperature", -7)
        await fleet.set_voltage(1, "battery", 3300)
        await said(street, "low 1650 -7")
        async with asyncio.timeout(60):
            # One below and one above the eighth; they come by another way than the console.
            while not (any(levels >> 5 & 1 for levels in seen) and any(levels >> 13 & 1 for levels in seen)):
                await asyncio.sleep(0.02)
        # What the world does stays when the processor starts over, and what it does meanwhile is found.
        await fleet.kill(1)
        assert seen[-1] == 0
        await fleet.set_pin(1, "worn", 0)
        await fleet.restart(1)
        await said(street, "start 0 0 1650")
        with pytest.raises(UnitError, match="no pin"):
            await fleet.set_pin(1, "flux", 1)
        with pytest.raises(UnitError, match="no converter"):
            await fleet.set_adc(1, "flux", 1)

    on_street(scenario)


def test_one_units_environment_is_not_anothers(on_street):
    async def scenario(street):
        env = program(street, 'import os\nprint("mark", os.getenv("MARK"))\nawait asyncio.sleep(100)')
        env[2] = dict(env[1])
        env[1]["MARK"] = "one"
        await street.fleet.start(street.folders, env)
        await said(street, "mark one")
        assert "mark one" not in await said(street, "mark None", unit=2)

    on_street(scenario, count=2)


def test_the_modems_line_is_a_stream(on_street):
    async def scenario(street):
        master, slave = pty.openpty()
        tty.setraw(slave)
        attributes = termios.tcgetattr(slave)
        attributes[6][termios.VMIN] = 0  # as sim/modem/rig.py has it: a read returns what is there
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        body = """
        from firmware.ports.uart import Uart
        from board import MODEM_UART
        uart = Uart(machine.UART(MODEM_UART, baudrate=115200))
        uart.write(b"AT\\r")
        print("heard", await uart.read())
        """
        env = program(street, body)
        ports = street.folder / "program/firmware/ports"
        ports.mkdir()
        (ports / "__init__.py").write_text("")
        shutil.copy(ROOT / "firmware/ports/uart.py", ports)
        env[1]["LIVLINA_MODEM_TTY"] = os.ttyname(slave)
        try:
            await street.fleet.start(street.folders, env)
            assert await asyncio.to_thread(os.read, master, 16) == b"AT\r"
            os.write(master, b"OK\n")
            await said(street, "heard b'OK\\n'")
        finally:
            os.close(master)
            os.close(slave)

    on_street(scenario)


def test_a_pendant_is_heard_while_the_radio_scans_and_not_after(on_street):
    async def scenario(street):
        body = """
        import bluetooth
        radio = bluetooth.BLE()
        radio.active(True)
        radio.irq(lambda event, data: print("event", event, bytes(data[4]) if data else ""))
        radio.gap_scan(0, 100000, 20000)
        button.irq(lambda one: radio.gap_scan(None), Pin.IRQ_FALLING)
        print("scanning")
        await asyncio.sleep(100)
        """
        fleet = street.fleet
        await fleet.start(street.folders, program(street, body))
        await said(street, "scanning")
        await fleet.pendant(1, b"nineteen bytes here")
        await said(street, "event 5")
        await fleet.press(1)
        await said(street, "event 6")
        await fleet.pendant(1, b"nineteen bytes more")
        await fleet.press(1)
        console = street.console()
        assert "nineteen bytes here" in console and "nineteen bytes more" not in console

    on_street(scenario)


SLEEPER = """
import esp32
esp32.wake_on_ext0(button, esp32.WAKEUP_ALL_LOW)
held = pin("modem_power", Pin.OUT, value=1, hold=True)
esp32.gpio_deep_sleep_hold(True)
memory = machine.RTC().memory()
print("memory", memory)
machine.RTC().memory(memory + b"x")
while not button.value():
    await asyncio.sleep_ms(10)
if len(memory) < 3:
    machine.deepsleep(3600000)
await asyncio.sleep(100)
"""


def test_deep_sleep_ends_at_its_time_and_keeps_what_a_board_keeps(on_street):
    async def scenario(street):
        seen = []
        street.fleet.on_levels = lambda unit, levels: seen.append(levels)
        street.fleet.sleep_speed = 36000.0
        exits = []
        street.fleet.on_exit = lambda unit, status: exits.append(status)
        await street.fleet.start(street.folders, program(street, SLEEPER))
        console = await said(street, "memory b'xxx'")
        assert console.splitlines()[0].startswith("cause 1 wake 0")
        assert [line.split()[:4] for line in console.splitlines()[2::2]] == [["cause", "4", "wake", "4"]] * 3
        assert exits == [], "sleep is no failure"
        assert 0 not in seen, "the held output kept the modem's supply on"
        await street.fleet.restart(1)
        console = await said(street, "memory b''", 2)
        assert console.count("cause 1 wake 0") == 2, "power that was cut keeps no memory"

    on_street(scenario)


def test_deep_sleep_ends_at_the_button_even_if_it_is_let_go_at_once(on_street):
    async def scenario(street):
        fleet = street.fleet
        await fleet.start(street.folders, program(street, SLEEPER))
        for count in (1, 2, 3):
            async with asyncio.timeout(60):
                while not fleet.asleep(1):
                    await asyncio.sleep(0.01)
            assert fleet.pids() == {}
            if count == 1:
                with pytest.raises(UnitError, match="sleeps"):
                    await fleet.pendant(1, b"unheard")
                await fleet.set_pin(1, "mains", 0)
                assert fleet.asleep(1), "another input does not wake it"
            await fleet.press(1)
            console = await said(street, "cause 4 wake 2", count)
        # The processor comes too late to see the contact closed: the wake itself is all that is left of the press.
        assert "wake 2" in console
        await said(street, "memory b'xxx'")
        assert not fleet.asleep(1)

    on_street(scenario)


def test_a_unit_that_is_killed_in_its_sleep_stays_down(on_street):
    async def scenario(street):
        fleet = street.fleet
        await fleet.start(street.folders, program(street, SLEEPER))
        async with asyncio.timeout(60):
            while not fleet.asleep(1):
                await asyncio.sleep(0.01)
        await fleet.kill(1)
        assert not fleet.asleep(1)
        with pytest.raises(UnitError, match="no power"):
            await fleet.press(1)
        await fleet.restart(1)
        await said(street, "cause 1", 2)

    on_street(scenario)


WATCHED = """
dog = machine.WDT(timeout=2000)
if machine.reset_cause() == machine.WDT_RESET:
    print("bitten")
    for _ in range(30):
        dog.feed()
        await asyncio.sleep_ms(100)
    print("lived")
    while True:
        dog.feed()
        await asyncio.sleep_ms(100)
print("hangs")
{hang}
"""


@pytest.mark.parametrize("hang", ["while True: pass", "await asyncio.sleep(100)"])
def test_a_unit_that_does_not_feed_its_watchdog_is_bitten(on_street, hang):
    """The control of everything that says that the firmware feeds it by progress: a busy loop and a sleeping one."""

    async def scenario(street):
        exits = []
        street.fleet.on_exit = lambda unit, status: exits.append(status)
        await street.fleet.start(street.folders, program(street, WATCHED.format(hang=hang)))
        console = await said(street, "bitten")
        assert console.count("hangs") <= 1 and "cause 3" in console
        # And one that feeds it lives on for longer than its time; on a machine that leaves it alone for so long.
        await said(street, "lived")
        assert set(exits) == {-9}

    on_street(scenario)


def test_the_watchdog_can_be_cut_off(on_street):
    async def scenario(street):
        env = program(street, WATCHED.format(hang="await asyncio.sleep(4)\nprint('lives')\nawait asyncio.sleep(100)"))
        env[1]["LIVLINA_WDT"] = "off"
        await street.fleet.start(street.folders, env)
        assert "bitten" not in await said(street, "lives")

    on_street(scenario)
