"""The simulated board: which pin is what, as the files generated from hardware/ say it for a real one.

`PINS` are pin numbers by name. Inputs are pulled up and mean something when they are low, but for `mains` (high while
there is mains) and `worn` (high while the unit is worn). `ADCS` are (channel, multiply, divide): the battery's or the
supply's mV are the channel's times `multiply` by `divide`, as the board's voltage divider says.
"""

PINS = {
    "button": 0,
    "led_red": 1,
    "led_green": 2,
    "led_blue": 3,
    "vibration": 4,
    "modem_power": 5,
    "modem_key": 6,
    "modem_mux": 7,
    "mains": 8,
    "charging": 9,
    "worn": 10,
    "man_down": 11,
    "duress": 12,
    "speaker": 13,
    "cancel": 14,
}
ADCS = {"battery": (0, 2, 1), "supply": (1, 2, 1)}
MODEM_UART = 1
MODEM_WIRES: "dict[str, int]" = {}  # the simulated UART is a pseudo-terminal: it has neither pins nor speed
BEARER = 2  # Ethernet: loopback is the nearest thing to it
ETHERNET = {"phy_type": "PHY_LAN8720", "phy_addr": 1, "mdc": 23, "mdio": 18}  # only for a unit whose way is ["lan"]
