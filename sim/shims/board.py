"""The simulated board: which pin is what, as the files generated from hardware/ say it for a real one."""

PINS = {"button": 0, "led_red": 1, "led_green": 2, "led_blue": 3, "vibration": 4}
BEARER = 2  # Ethernet: loopback is the nearest thing to it
