"""Generated from hardware/reference-wearable/board.toml, revision A1: edit that, then
run `livlina hardware generate`."""

PINS = {
    "button": 4,
    "led_red": 38,
    "led_green": 39,
    "led_blue": 40,
    "vibration": 41,
    "speaker": 42,
    "modem_power": 6,
    "modem_key": 7,
    "modem_mux": 8,
    "mains": 12,
    "charging": 15,
    "worn": 5,
    "man_down": 16,
    "duress": 10,
    "cancel": 11,
}
ADCS = {
    "battery": (1, 2, 1),
    "supply": (2, 2, 1),
}
MODEM_UART = 1
MODEM_WIRES = {"baudrate": 115200, "tx": 17, "rx": 18, "txbuf": 1536, "rxbuf": 1536}
BEARER = 1
