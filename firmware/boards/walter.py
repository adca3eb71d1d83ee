"""Generated from hardware/walter/board.toml, revision A: edit that, then
run `livlina hardware generate`."""

PINS = {
    "button": 4,
    "led_red": 9,
    "led_green": 10,
    "led_blue": 11,
    "vibration": 12,
    "modem_power": 45,
}
ADCS = {
    "battery": (1, 2, 1),
}
MODEM_UART = 1
MODEM_WIRES = {"baudrate": 115200, "tx": 48, "rx": 14, "txbuf": 1536, "rxbuf": 1536}
BEARER = 1
