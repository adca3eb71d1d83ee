"""Generated from hardware/devkit-bg95/board.toml, revision A: edit that, then
run `livlina hardware generate`."""

PINS = {
    "button": 4,
    "led_red": 9,
    "led_green": 10,
    "led_blue": 11,
    "vibration": 12,
    "modem_power": 6,
    "modem_key": 7,
    "mains": 13,
}
ADCS = {}
MODEM_UART = 1
MODEM_WIRES = {"baudrate": 115200, "tx": 17, "rx": 18, "txbuf": 1536, "rxbuf": 1536}
BEARER = 1
