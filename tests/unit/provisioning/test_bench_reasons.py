"""Every sentence with which a station stops a board is one that the bench's page has in its languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fleet.web.bench_reasons import REASONS
from fleet.web.bench_words import FAULTS, HANDS, SAY
from livlina.provision_run import DEAD, QUESTIONS, SEEN, TOOL_ENDED, UNSEEN, fault_of, said_of
from provisioning.plan import BoardKind, asked_about
from provisioning.run import RunError
from provisioning.tool import ToolError

ROOT = Path(__file__).parents[3]
SAID_BY = (
    "provisioning/run.py", "provisioning/selftest.py", "livlina/provision_run.py", "livlina/provision_fleet.py",
    "livlina/provision_label.py",
)  # fmt: skip
OTHERS_WORDS = "{words}"


def sentences(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RunError":
            first = node.args[0]
            if isinstance(first, ast.Subscript):  # DEAD and UNSEEN
                continue
            assert isinstance(first, ast.Constant), f"{path.name}:{node.lineno}: values go into RunError's own"
            yield str(first.value)


def test_the_page_has_every_sentence_and_no_other() -> None:
    said = {sentence for name in SAID_BY for sentence in sentences(ROOT / name)} - {OTHERS_WORDS}
    said |= {*DEAD.values(), *UNSEEN.values(), TOOL_ENDED}
    assert said == set(REASONS)


def test_what_a_person_is_asked_about_has_its_words_and_its_fault() -> None:
    assert set(QUESTIONS) == set(DEAD) == set(UNSEEN) == set(SEEN)
    assert set(QUESTIONS) <= set(FAULTS) and set(QUESTIONS) <= set(HANDS)
    assert {f"{part}_{answer}" for part in QUESTIONS for answer in ("yes", "no")} <= set(SAY)


def test_only_what_the_board_has_and_the_profile_moves_is_asked_about() -> None:
    bare = BoardKind("bare", "esp32s3", 4 << 20, 0, True)
    whole = BoardKind("hub", "esp32s3", 4 << 20, 0, True, speaker=True, vibration=True)
    assert asked_about("social", bare) == ("lamp",)
    assert asked_about("social", whole) == ("lamp", "vibration", "speaker")
    assert asked_about("personal", whole) == ("lamp", "vibration")


def test_a_unit_that_takes_no_press_is_not_asked_about_what_a_press_moves() -> None:
    from firmware.core.profiles import OWN, PROFILES
    from provisioning.plan import BUTTONLESS

    whole = BoardKind("hub", "esp32s3", 4 << 20, 0, True, speaker=True, vibration=True)
    pressed = {profile.name: OWN in [one[0] for one in profile.inputs] for profile in PROFILES}
    assert {name for name, takes in pressed.items() if not takes} == set(BUTTONLESS)
    assert all(asked_about(name, whole) == () for name in BUTTONLESS)


def test_which_profiles_sound_at_a_press_is_what_the_firmware_does() -> None:
    from firmware.core.stages import SOUNDS, STORED
    from provisioning.plan import PROFILES, SOUNDING

    assert set(SOUNDING) == {name for name, code in PROFILES.items() if SOUNDS[code] >> STORED & 1}


def test_a_sentence_comes_with_its_values_and_a_tools_words_stay_its_own() -> None:
    error = RunError("unit {unit} tells {what}", "sims", unit="0000002a", what="{nothing}")
    assert str(error) == "unit 0000002a tells {nothing}"
    assert said_of(error) == ("unit {unit} tells {what}", {"unit": "0000002a", "what": "{nothing}"})
    assert str(RunError("a {brace} without values")) == "a {brace} without values"
    worn = ToolError("esptool", 2, "A fatal error occurred: MD5 of file does not match data in flash!")
    assert fault_of(worn) == "flash" and said_of(worn)[1]["program"] == "esptool"
    assert said_of(ValueError("x")) == ("", {})
