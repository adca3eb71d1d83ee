"""Messages and their tables, the same on both engines."""

import golden
from primitives import vectors

from protocols.wire import cbor
from protocols.wire import messages as m

NAMES = {"alarm": m.Alarm, "heartbeat": m.Heartbeat, "event": m.Event, "receipt": m.Receipt, "command": m.Command,
         "answer": m.Answer, "query": m.Query}  # fmt: skip

# What the issue allows a sealed message to weigh; `full` cases are as wide as the contract lets a field be.
LIMITS = (
    ("alarm", "full_width", 80),
    ("heartbeat", "full_width", 80),
    ("heartbeat", "full_over_a_card", 80),
    ("heartbeat", "usual", 80),
    ("receipt", "full_width", 64),
    ("heartbeat", "full_status", 240),
)


def reason(function, *arguments):
    try:
        function(*arguments)
    except m.MessageError as error:
        return error.reason
    return None


def refuses(kind, **values):
    try:
        kind(**values)
    except TypeError as error:
        return str(error)
    return None


def test_golden_messages_on_this_engine():
    for name in sorted(golden.MESSAGES):
        seen = 0
        for case, v in vectors(name):
            seen += 1
            message = golden.MESSAGES[name][case]
            assert message.encode() == v["plain"], (name, case)
            assert m.encode(message) == v["plain"]
            back = m.decode(v["plain"])
            assert type(back) is NAMES[name]
            assert back == message and back.encode() == v["plain"]
            assert back.dropped == ()
            for _, field, shape, _, _ in m.fields(back.NAMES, back.FORMS):
                expected = getattr(message, field)
                assert getattr(back, field) == expected, (name, case, field)
                assert expected is None or shape != m.INT or type(getattr(back, field)) is int
        assert seen == len(golden.MESSAGES[name])


def test_malformed_messages_by_reason():
    seen = set()
    for case, v in vectors("malformed_messages"):
        assert reason(m.decode, v["plain"]) == v["reason"], (case, reason(m.decode, v["plain"]))
        seen.add(v["reason"])
    assert sorted(seen) == ["cbor", "field", "major", "not_a_map", "required", "type"]


def test_an_alarm_is_never_refused_for_an_optional_field():
    for case, v in vectors("dropped"):
        alarm = m.decode(v["plain"])
        assert (alarm.boot, alarm.seq) == (17, 3)
        assert alarm.dropped == tuple(v["dropped"]), case
        for key, name, _, _, _ in m.fields(m.Alarm.NAMES, m.Alarm.FORMS):
            if key in alarm.dropped:
                assert getattr(alarm, name) is None
    # Every optional field with every shape that is not its own; required ones are the control.
    for key, _, _, _, _ in m.fields(m.Alarm.NAMES, m.Alarm.FORMS):
        for wrong in (None, False, "x", b"x", -1, 1 << 32, [], [1], {}, {1: 2}):
            body = {0: 0x11, 1: 17, 2: 3}
            body[key] = wrong
            if key in m.Alarm.REQUIRED:
                assert reason(m.decode, cbor.encode(body)) == "field"
            else:
                assert m.decode(cbor.encode(body)).dropped == (key,)


def test_every_other_message_is_refused_for_a_wrong_field():
    for name in sorted(golden.MESSAGES):
        if name == "alarm":
            continue
        body = cbor.decode(golden.MESSAGES[name][sorted(golden.MESSAGES[name])[0]].encode())
        for key, field, shape, _, _ in m.fields(NAMES[name].NAMES, NAMES[name].FORMS):
            wrong = dict(body)
            wrong[key] = "x" if shape != m.TEXT else 1
            try:
                m.decode(cbor.encode(wrong))
            except m.MessageError as error:
                assert (error.reason, error.key) == ("field", key)
            else:
                raise AssertionError((name, field))


def test_a_missing_required_field_is_refused_and_named():
    for name in sorted(golden.MESSAGES):
        kind = NAMES[name]
        for key in kind.REQUIRED:
            body = cbor.decode(golden.MESSAGES[name][sorted(golden.MESSAGES[name])[0]].encode())
            del body[key]
            try:
                m.decode(cbor.encode(body))
            except m.MessageError as error:
                assert (error.reason, error.key) == ("required", key)
            else:
                raise AssertionError((name, key))


def test_unknown_keys_are_kept_and_come_back():
    alarm = m.decode(cbor.encode({0: 0x11, 1: 1, 2: 2, 13: "new", 200: [1, {2: 3}]}))
    assert alarm.extra == {13: "new", 200: [1, {2: 3}]}
    assert m.decode(alarm.encode()).extra == alarm.extra
    # An extra key never takes the place of a field.
    assert m.decode(m.Alarm(boot=1, seq=2, extra={1: 9, 0: 9}).encode()).boot == 1


def test_bounds_of_the_fields():
    for kind, field, good, bad in (
        (m.Heartbeat, "battery", (0, 100), (-1, 101)),
        (m.Heartbeat, "signal", (-200, 0), (-201, 1)),
        (m.Heartbeat, "operator", (0, 999999), (-1, 1000000)),
        (m.Heartbeat, "next_due", (0, golden.U32), (-1, golden.U32 + 1, True)),
    ):
        for value in good + bad:
            values = {"boot": 1, "seq": 2, "next_due": 3}
            values[field] = value
            expected = None if value in good and value is not True else "field"
            assert reason(kind(**values).encode) == expected, (field, value)


def test_what_a_sender_may_not_build():
    assert "boot" in refuses(m.Alarm, seq=1)
    assert "bot" in refuses(m.Alarm, boot=1, seq=1, bot=2)
    assert "items" in refuses(m.Receipt, time=1)
    assert reason(m.Receipt(items=[(1, 2)]).encode) == "field"
    assert reason(m.Receipt(items=[(1, 2, 1)] * 9).encode) == "field"
    assert reason(m.Query(open=[]).encode) == "field"
    assert reason(m.Heartbeat(boot=1, seq=1, next_due=1, status={m.STATUS_VERSION: "x" * 17}).encode) == "field"
    assert reason(m.Event(boot=1, seq=1, kind=1, data={"text": 1}).encode) == "cbor"
    assert reason(m.Event(boot=1, seq=1, kind=1, data={1: [[[]]]}).encode) == "cbor"
    alarm = m.Alarm(boot=1, seq=1)
    alarm.boot = None
    assert reason(alarm.encode) == "required"


def test_an_alarm_is_sent_without_a_detail_rather_than_not_at_all():
    alarm = m.Alarm(boot=1, seq=2, kind=1, age=-5, battery=250, clock=1 << 40)
    back = m.decode(alarm.encode())
    assert (back.boot, back.seq, back.kind, back.age, back.battery, back.clock) == (1, 2, 1, None, None, None)
    assert reason(m.Alarm(boot=-1, seq=2).encode) == "field"


def test_codes_that_nobody_knows_yet_pass():
    assert m.decode(m.Alarm(boot=1, seq=2, kind=4000, bearer=77, flags=1 << 20).encode()).kind == 4000
    assert m.decode(m.Receipt(items=[(1, 2, 9)]).encode()).items == [(1, 2, 9)]
    assert m.decode(m.Event(boot=1, seq=2, kind=99).encode()).kind == 99


def test_rows_come_back_as_tuples_and_may_be_given_as_lists():
    assert m.decode(m.Receipt(items=[[1, 2, 3]]).encode()).items == [(1, 2, 3)]
    assert m.decode(m.Query(open=((1, 2), (3, 4))).encode()).open == [(1, 2), (3, 4)]


def test_equality_is_of_kind_and_bytes():
    assert m.Alarm(boot=1, seq=2) == m.Alarm(seq=2, boot=1)
    assert m.Alarm(boot=1, seq=2) != m.Alarm(boot=1, seq=3)
    assert m.Alarm(boot=1, seq=2) != 1
    assert len({m.Alarm(boot=1, seq=2), m.Alarm(boot=1, seq=2)}) == 1


def test_sealed_sizes():
    for name, case, limit in LIMITS:
        sealed = dict(vectors(name))[case]["sealed"]
        print("sealed", name, case, len(sealed), "bytes, at most", limit)
        assert len(sealed) <= limit, (name, case)
