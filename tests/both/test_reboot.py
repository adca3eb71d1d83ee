"""Why a unit started, in one vocabulary, and when a boot counts as good."""

from firmware.core import reboot, reboot_names


def test_a_note_explains_a_reset_better_than_the_board_does():
    assert reboot.reason(2, reboot.FIRMWARE_UPDATE) == reboot.FIRMWARE_UPDATE
    assert reboot.reason(3, reboot.KERNEL_PANIC) == reboot.KERNEL_PANIC


def test_without_a_note_the_board_says_what_it_can():
    found = [reboot.reason(cause, 0) for cause in range(7)]
    assert found == [
        reboot.UNKNOWN,
        reboot.POWER_ON,
        reboot.UNKNOWN_ERROR,
        reboot.HARDWARE_WATCHDOG,
        reboot.DEEP_SLEEP,
        reboot.UNKNOWN_ERROR,
        reboot.UNKNOWN,
    ]


def test_expected_and_unexpected_are_split_as_in_the_vocabulary():
    good = [code for code, _ in reboot_names.NAMES if reboot.expected(code)]
    assert good == [1, 2, 3, 4, 7, 8, 9, 10]
    assert reboot_names.name(0x8006) == "task over its limit" and reboot_names.name(0x9400) == "0x9400"
    assert (
        len({code for code, _ in reboot_names.NAMES})
        == len({name for _, name in reboot_names.NAMES})
        == len(reboot_names.NAMES)
    )


def test_errors_have_codes():
    assert reboot.of_error(MemoryError()) == reboot.OUT_OF_MEMORY
    assert reboot.of_error(AssertionError()) == reboot.ASSERT
    assert reboot.of_error(RuntimeError("maximum recursion depth exceeded")) == reboot.STACK_OVERFLOW
    assert reboot.of_error(RuntimeError("else")) == reboot.of_error(OSError(5)) == reboot.KERNEL_PANIC


def test_a_boot_is_proven_by_a_receipt_and_an_hour_in_either_order():
    proof = reboot.Proof(False, 0, 1000)
    hour = 1000 + reboot.HOUR_MS
    assert proof.next_wakeup() is None and not proof.shown(hour), "no receipt"
    proof.receipt()
    assert proof.next_wakeup() == hour and proof.shown(hour)
    assert not proof.shown(hour) and proof.next_wakeup() is None, "told once"
    early = reboot.Proof(False, 9, 0)
    early.receipt()
    assert not early.shown(reboot.HOUR_MS - 1) and early.shown(reboot.HOUR_MS)


def test_safe_mode_is_left_later_each_time_it_was_left_in_vain():
    hours = []
    for stays in range(8):
        proof = reboot.Proof(True, stays, 0)
        proof.receipt()
        hours.append(proof.next_wakeup() // reboot.HOUR_MS)
    assert hours == [1, 2, 4, 8, 16, 16, 16, 16]
