"""What is shipped on a unit: these files, compiled by mpy-cross, and nothing else. Read by builders, not shipped."""

_WIRE = ("cbor", "ccm", "seal", "messages", "coap", "coap_client", "mqtt", "mqtt_client", "courier")
_CORE = (
    "alarm",
    "book",
    "cancel",
    "contact",
    "drill",
    "events",
    "heartbeat",
    "locate",
    "obey",
    "pendants",
    "power",
    "presses",
    "press",
    "profiles",
    "reboot",
    "records",
    "rest",
    "power",
    "stages",
    "unit",
    "vitals",
)
_PORTS = (
    "ballast",
    "ble",
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
    "past",
    "pins",
    "sealer",
    "sleep",
    "sensors",
    "sockets",
    "tls",
    "udp",
    "watchdog",
)

FILES = (
    ("protocols/__init__.py", "protocols/wire/__init__.py", "firmware/__init__.py", "firmware/core/__init__.py")
    + ("firmware/ports/__init__.py", "firmware/boot.py", "firmware/driver.py", "firmware/main.py")
    + ("firmware/bearers.py", "firmware/gauge.py", "firmware/supervisor.py", "firmware/repose.py")
    + tuple(["protocols/wire/" + name + ".py" for name in _WIRE])
    + tuple(["firmware/core/" + name + ".py" for name in _CORE])
    + tuple(["firmware/ports/" + name + ".py" for name in _PORTS])
)
