"""Profiles and configurations; the same on both engines."""

from firmware.core import profiles
from firmware.core.contact import Inputs
from firmware.core.profiles import DURESS, MAN_DOWN, OWN, PERSONAL, PROFILES, SOCIAL, read
from protocols.wire import cbor, messages

KEY = bytes(16)


def test_every_profile_is_a_valid_setup_without_faults():
    assert [one.code for one in PROFILES] == [1, 2, 3, 4, 5]
    for one in PROFILES:
        setup = read({1: one.code, 2: one.heartbeat[0]})
        assert setup.faults == [] and setup.profile is one
        Inputs(setup.inputs)
        assert one.heartbeat[0] <= one.heartbeat[1] and one.off_duty <= one.heartbeat[1]
        assert profiles.named(one.name) is one
    try:
        profiles.named("toaster")
    except ValueError as error:
        assert "social" in str(error)
    else:
        raise AssertionError("no such profile")


def test_a_hub_with_pendants():
    config = {1: SOCIAL, 2: 300, 6: [[1, 77, KEY, 3600], [2, 78, KEY, 60]], 7: [[2, 1000, 8000]]}
    setup = read(cbor.decode(cbor.encode(config)))
    assert setup.faults == []
    assert [(one.code, one.hold, one.cancel) for one in setup.inputs] == [(0, 0, 0), (1, 0, 0), (2, 1000, 8000)]
    assert [one.interval for one in setup.pendants] == [3600, 60]


def test_silent_mode_shows_nothing():
    setup = read({1: PERSONAL, 2: 300, 8: True, 7: [[OWN, 500, 5000]]})
    assert setup.silent and setup.faults == []
    for one in setup.inputs:
        assert one.flags & messages.ALARM_SILENT and one.cancel == 0
    openly = read({1: PERSONAL, 2: 300, 7: [[OWN, 500, 5000]]})
    by_code = {one.code: one for one in openly.inputs}
    assert by_code[OWN].cancel == 5000 and not by_code[OWN].flags
    assert by_code[MAN_DOWN].kind == messages.KIND_MAN_DOWN and by_code[MAN_DOWN].cancel == 10000
    assert by_code[DURESS].flags & messages.ALARM_SILENT, "duress is always silent"
    assert openly.off_duty == 14400


def test_a_wrong_configuration_is_named_and_still_alarms():
    cases = (
        (None, 1), ({}, 1), ({1: 99}, 1), ({1: 1, 2: 0}, 2), ({1: 1, 2: "x"}, 2), ({1: 1, 2: True}, 2),
        ({1: 1, 2: 99999}, 2), ({1: 2, 9: -1}, 9), ({1: 1, 8: True}, 8), ({1: 2, 8: 1}, 8), ({1: 1, 6: 5}, 6),
        ({1: 1, 6: [[0, 1, KEY, 60]]}, 6), ({1: 1, 6: [[1, 1, KEY, 60], [1, 2, KEY, 60]]}, 6), ({1: 1, 6: ["ab"]}, 6),
        ({1: 2, 6: [[1, 1, KEY, 60]]}, 6), ({1: 1, 7: [[0, 30000, 0]]}, 7), ({1: 1, 7: [[5, 0, 0]]}, 7),
        ({1: 1, 7: [[0, 0, 60001]]}, 7), ({1: 1, 7: {}}, 7), ({1: 1, 6: [[1, 2, KEY, 60]] * 20}, 6),
    )  # fmt: skip
    for config, key in cases:
        setup = read(config)
        assert key in [fault[0] for fault in setup.faults], config
        assert OWN in [one.code for one in setup.inputs]
        assert setup.heartbeat >= profiles.LEAST_HEARTBEAT
        Inputs(setup.inputs)


def test_a_hub_takes_so_many_pendants_and_no_more():
    rows = [[n, 100 + n, KEY, 60] for n in range(1, profiles.MOST_PENDANTS + 2)]
    setup = read({1: SOCIAL, 6: rows})
    assert len(setup.pendants) == profiles.MOST_PENDANTS
    assert setup.faults == [(6, "too many pendants")]
