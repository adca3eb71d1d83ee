"""What is shipped on a unit: these files, compiled by mpy-cross, and nothing else. Read by builders, not shipped."""

_WIRE = ("cbor", "ccm", "seal", "messages", "coap", "coap_client", "mqtt", "mqtt_client", "courier")
_CORE = ("alarm", "book", "heartbeat", "press", "reboot", "records", "stages", "unit")
_PORTS = (
    "breadcrumbs",
    "clock",
    "console",
    "counters",
    "emergency",
    "flash",
    "identity",
    "journal",
    "kept",
    "mqtt",
    "pins",
    "sealer",
    "sockets",
    "tls",
    "udp",
    "watchdog",
)

FILES = (
    ("protocols/__init__.py", "protocols/wire/__init__.py", "firmware/__init__.py", "firmware/core/__init__.py")
    + ("firmware/ports/__init__.py", "firmware/boot.py", "firmware/driver.py", "firmware/main.py")
    + tuple(["protocols/wire/" + name + ".py" for name in _WIRE])
    + tuple(["firmware/core/" + name + ".py" for name in _CORE])
    + tuple(["firmware/ports/" + name + ".py" for name in _PORTS])
)
