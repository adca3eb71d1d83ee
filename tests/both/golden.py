"""The messages behind the golden vectors: protocols/wire/vectors/<type>.txt holds the bytes of each case.

tests/unit/wire/write_vectors.py adds a case that is new here to its file; no case is ever edited or removed.
"""

from protocols.wire import messages as m

SECRET = bytes(range(16))
UNIT = 42
GENERATION = 1
CONTEXT = b"lost-ctr"
IV = bytes(range(0xA0, 0xAD))

U32 = 0xFFFFFFFF

FULL_STATUS = {
    m.STATUS_VERSION: "0.1.0-rc.1+12345",
    m.STATUS_PROFILE: 200,
    m.STATUS_REBOOT: 200,
    m.STATUS_HEAP_LOW: 4_100_000,
    m.STATUS_TEMPERATURE: -401,
    m.STATUS_BATTERY_MV: 4199,
    m.STATUS_SUPPLY_MV: 12_011,
    m.STATUS_ICCID1: bytes([0x89, 0x46, 0x08, 0x00, 0x12, 0x34, 0x56, 0x78, 0x90, 0x1F]),
    m.STATUS_ICCID2: bytes([0x89, 0x46, 0x20, 0x00, 0x98, 0x76, 0x54, 0x32, 0x10, 0x0F]),
    m.STATUS_CELL: 0x0FFFFFFF,
    m.STATUS_TAC: 0xFFFE,
    m.STATUS_LAST_CAUSE: 200,
    m.STATUS_PSM_ACTIVE: 11_160,
    m.STATUS_PSM_TAU: 35_712_000,
    m.STATUS_EDRX: 10_486,
    m.STATUS_JOURNAL: bytes(range(0xF0, 0xF8)),
    m.STATUS_UPTIME: 4_000_000_000,
    m.STATUS_MODEM: "MODEM-01-R1.2.3_20261121",
    m.STATUS_IMEI: bytes([0x35, 0x69, 0x38, 0x03, 0x56, 0x43, 0x80, 0x9F]),
    m.STATUS_CLOCK: 4_000_000_000,
}

MESSAGES = {
    "alarm": {
        "least": m.Alarm(boot=1, seq=0),
        "manual": m.Alarm(
            boot=17, seq=3, kind=m.KIND_MANUAL, input=0, count=1, age=2, attempt=1, bearer=m.BEARER_SIM1, battery=87,
            flags=0, echo=1_900_000_000, clock=1_900_000_007,
        ),
        "full_width": m.Alarm(
            boot=U32, seq=U32, kind=m.KIND_TEST, input=255, count=255, age=U32, attempt=255,
            bearer=m.BEARER_SMS, battery=100, flags=7, echo=U32, clock=U32,
        ),
        "silent_duress_with_the_clock_of_1970": m.Alarm(
            boot=18, seq=0, kind=m.KIND_DURESS, count=3, age=40, attempt=2, flags=m.ALARM_SILENT, clock=12,
        ),
        "pendant_after_power_off": m.Alarm(
            boot=19, seq=1, kind=m.KIND_PULL_CORD, input=4, age=86_400, flags=m.ALARM_AGE_IS_LOWER_BOUND,
        ),
        "lost_boot_number": m.Alarm(boot=0x80000005, seq=0, kind=m.KIND_MAN_DOWN, bearer=m.BEARER_WIFI),
        "unknown_kind": m.Alarm(boot=20, seq=9, kind=70_000, bearer=99),
        "unknown_keys": m.Alarm(boot=20, seq=10, kind=m.KIND_MANUAL, extra={13: True, 24: [1, "x"], 300: {0: b"y"}}),
    },
    "heartbeat": {
        "least": m.Heartbeat(boot=1, seq=1, next_due=300),
        "usual": m.Heartbeat(
            boot=17, seq=4000, next_due=300, bearer=m.BEARER_SIM1, battery=87, signal=-97, attempts=1, flags=m.CHARGING,
            open=0, refused=0, echo=1_900_000_000, operator=24_007, radio=m.RADIO_LTE_M,
        ),
        "full_width": m.Heartbeat(
            boot=U32, seq=U32, next_due=86_400, bearer=m.BEARER_SMS, battery=100, signal=-140, attempts=255,
            flags=7, open=255, refused=255, echo=U32,
        ),
        "full_status": m.Heartbeat(
            boot=U32, seq=U32, next_due=86_400, bearer=m.BEARER_SMS, battery=100, signal=-140, attempts=255,
            flags=7, open=255, refused=255, echo=U32, operator=310_410, radio=m.RADIO_ETHERNET, status=FULL_STATUS,
        ),
        "full_over_a_card": m.Heartbeat(
            boot=0xFFFF, seq=U32, next_due=0xFFFF, bearer=m.BEARER_SIM2, battery=100, signal=-140, attempts=255,
            flags=7, open=255, refused=255, echo=U32, operator=310_410, radio=m.RADIO_LTE_M,
        ),
        "status_of_a_newer_unit": m.Heartbeat(boot=2, seq=2, next_due=60, status={1: "9.9", 63: [1, {2: 3}]}),
    },
    "event": {
        "least": m.Event(boot=17, seq=5, kind=m.EVENT_MAINS_LOST),
        "position": m.Event(
            boot=17, seq=6, kind=m.EVENT_POSITION, age=4, about_boot=17, about_seq=3,
            data={1: 577_089_000, 2: 119_746_000, 3: 12, 4: -3},
        ),
        "unknown_kind": m.Event(boot=17, seq=7, kind=1000, data={1: [1, [2]], 2: "t", 3: None, 4: False}),
    },
    "receipt": {
        "time_only": m.Receipt(items=[], time=1_900_000_000),
        "stored": m.Receipt(items=[(17, 3, m.STORED)], time=1_900_000_001),
        "full_width": m.Receipt(items=[(U32, U32, m.TAKEN)], time=U32),
        "eight": m.Receipt(items=[(17, i, 1 + i % 3) for i in range(8)], time=1_900_000_002),
        "without_time": m.Receipt(items=[(17, 3, m.ACCEPTED)]),
    },
    "command": {
        "least": m.Command(number=1, kind=1),
        "full": m.Command(number=1_900_000_000_123, kind=2, args={1: 300, 2: b"challeng"}, time=1_900_000_000),
        "highest_number": m.Command(number=0xFFFFFFFFFFFFFFFF, kind=U32, args={}),
    },
    "answer": {
        "done": m.Answer(boot=17, seq=8, number=1_900_000_000_123, result=m.RESULT_DONE),
        "with_data": m.Answer(boot=17, seq=9, number=0xFFFFFFFFFFFFFFFF, result=7, data={1: b"challeng"}),
    },
    "query": {
        "one": m.Query(open=[(17, 3)]),
        "eight": m.Query(open=[(U32, U32 - i) for i in range(8)]),
    },
}  # fmt: skip

# Cases that a unit sends which has lost its counters: sealed under a key of its own.
WITH_CONTEXT = (("alarm", "lost_boot_number"),)

# Counters that make the partial IV 1, 2, 3, 4 and 5 bytes long; cases take them in turn.
COUNTERS = (0, 0xFF, 0x100, 0x10000, 0x1000000, 0x100000000, 0xFFFFFFFFFF)
FULL_COUNTER = 0xFFFFFFFF


def is_down(name):
    """Return whether the messages of a vector file go from fleet to unit."""
    return name in ("receipt", "command")


def counter(name, case):
    """Return the counter that an up case is sealed with; full cases take four bytes, as the promised sizes assume."""
    if case.startswith("full"):
        return FULL_COUNTER
    return COUNTERS[len(name + case) % len(COUNTERS)]
