"""What is shipped on a unit: these files, linked into `GROUPS` and compiled by mpy-cross, and nothing else. Read by
builders, not shipped."""

_WIRE = ("cbor", "ccm", "seal", "messages", "coap", "coap_client", "mqtt", "mqtt_client", "courier")
_CORE = (
    "alarm",
    "book",
    "cancel",
    "charge",
    "contact",
    "drill",
    "events",
    "heartbeat",
    "ledger",
    "locate",
    "obey",
    "pendants",
    "power",
    "press",
    "presses",
    "profiles",
    "reboot",
    "reboot_names",
    "receipts",
    "records",
    "rest",
    "setup",
    "spare",
    "stages",
    "unit",
    "vigil",
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
    "latch",
    "mqtt",
    "own",
    "own_udp",
    "past",
    "pins",
    "sealer",
    "sensors",
    "sleep",
    "sockets",
    "tls",
    "udp",
    "watchdog",
)
# The modem's part: loaded by units that have one.
_MODEM_CORE = ("at", "at_network", "at_pdu", "at_syntax", "governor", "registration", "sim_choice")
_MODEM = (
    "__init__",
    "bearer",
    "bg95",
    "chores",
    "conduct",
    "council",
    "datagrams",
    "dialect",
    "driver",
    "engine",
    "facts",
    "gm02s",
    "orders",
    "sim7080g",
    "sms",
    "steps",
    "stream",
)

_STAY = (
    "ballast",
    "breadcrumbs",
    "clock",
    "counters",
    "journal",
    "kept",
    "pins",
    "sealer",
    "sleep",
    "watchdog",
    "sensors",
)

FILES = (
    ("protocols/__init__.py", "protocols/wire/__init__.py", "firmware/__init__.py", "firmware/core/__init__.py")
    + ("firmware/ports/__init__.py", "firmware/boot.py", "firmware/driver.py", "firmware/main.py")
    + (
        "firmware/making.py",
        "firmware/means.py",
        "firmware/owed.py",
        "firmware/bearers.py",
        "firmware/gauge.py",
        "firmware/supervisor.py",
        "firmware/repose.py",
    )
    + tuple(["protocols/wire/" + name + ".py" for name in _WIRE])
    + tuple(["firmware/core/" + name + ".py" for name in _CORE])
    + tuple(["firmware/ports/" + name + ".py" for name in _PORTS])
    + tuple(["firmware/core/" + name + ".py" for name in _MODEM_CORE])
    + tuple(["firmware/modem/" + name + ".py" for name in _MODEM])
    + ("firmware/ports/uart.py",)
)

GROUPS = {
    # What lives as long as the unit: everything that firmware.making imports but what only it needs.
    "firmware.main": ("firmware.main", "firmware.means", "firmware.core.setup", "firmware.core.heartbeat")
    + ("firmware.core.unit", "firmware.gauge", "firmware.supervisor")
    + tuple(["firmware.ports." + name for name in _STAY]),
    # Forgotten when the unit is made.
    "firmware.making": ("firmware.making",),
    "firmware.rest": ("firmware.repose", "firmware.core.vigil"),
    "firmware.pendants": ("firmware.core.pendants", "firmware.ports.ble"),
    "firmware.coap": ("protocols.wire.coap_client", "firmware.ports.udp"),
    "firmware.own": ("firmware.ports.own", "firmware.ports.own_udp"),
    "firmware.spare": ("firmware.core.spare",),
    "firmware.mqtt": ("protocols.wire.mqtt_client", "firmware.ports.mqtt", "firmware.ports.tls"),
    "firmware.cellular": ("firmware.core.sim_choice", "firmware.modem.bearer", "firmware.ports.uart"),
    "firmware.stream": ("firmware.modem.stream",),
    "firmware.sms": ("firmware.modem.sms",),
    "firmware.dialect": ("firmware.modem.dialect",),
    "firmware.bg95": ("firmware.modem.bg95",),
    "firmware.sim7080g": ("firmware.modem.sim7080g",),
    "firmware.gm02s": ("firmware.modem.gm02s",),
    # No unit loads it; it is shipped since it was, and tested where it would run.
    "firmware.power": ("firmware.core.power",),
}
"""What is loaded together, by the name of the module that it becomes (provisioning/linking.py): whatever these files
import at their top, and no group before theirs holds. A unit loads the groups that it uses."""
PUBLIC = (("firmware.main", "run"),)
"""What is called from outside by its name."""
