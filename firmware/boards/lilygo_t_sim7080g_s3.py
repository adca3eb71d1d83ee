"""Generated from hardware/lilygo-t-sim7080g-s3/board.toml, revision A: edit that, then
run `livlina hardware generate`."""

PINS = {
    "button": 14,
    "led_red": 9,
    "led_green": 10,
    "led_blue": 11,
    "vibration": 12,
    "modem_key": 41,
    "mains": 21,
}
ADCS = {
    "battery": (1, 2, 1),
}
MODEM_UART = 1
MODEM_WIRES = {"baudrate": 115200, "tx": 5, "rx": 4, "txbuf": 1536, "rxbuf": 1536}
BEARER = 1
