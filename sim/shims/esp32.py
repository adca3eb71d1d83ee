"""What only this processor has, in place of `esp32`: which pin ends a deep sleep, which outputs outlast it, its own
temperature. Names and arguments are those of MicroPython's ESP32 port, as far as the firmware uses them."""

from board_wires import BOARD, NO_PIN, TEMPERATURE

WAKEUP_ALL_LOW = 0
WAKEUP_ANY_HIGH = 1

_wake = (NO_PIN, 0)
_high = NO_PIN
_hold = False


def wake_on_ext0(pin, level: int) -> None:
    """This pin at this level ends a deep sleep; None for none."""
    global _wake  # noqa: PLW0603 - the one processor that this process is
    _wake = (NO_PIN, 0) if pin is None else (pin.number, 1 if level == WAKEUP_ANY_HIGH else 0)


def wake_on_ext1(pins, level: int) -> None:
    """One of these pins ends a deep sleep when it is high; of more than one the first counts here."""
    global _high  # noqa: PLW0603
    if level != WAKEUP_ANY_HIGH:
        raise ValueError("the simulated board's second way to wake is a high level")
    _high = pins[0].number if pins else NO_PIN


def gpio_deep_sleep_hold(enable: bool) -> None:
    """Whether outputs that are held keep their level in deep sleep."""
    global _hold  # noqa: PLW0603
    _hold = enable


def mcu_temperature() -> int:
    """Degrees C of the chip."""
    return BOARD.raw[TEMPERATURE] - 273
