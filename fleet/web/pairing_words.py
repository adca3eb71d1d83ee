"""The words of the pairing page: what it asks for, and why something is refused, in Swedish and English."""

from __future__ import annotations

from fleet.web.texts import N_, Table

ROOMS: Table = {
    "hallway": N_("Hallway"),
    "bathroom": N_("Bathroom"),
    "bedroom": N_("Bedroom"),
    "living_room": N_("Living room"),
    "kitchen": N_("Kitchen"),
    "laundry": N_("Laundry room"),
    "cellar": N_("Cellar"),
    "balcony": N_("Balcony"),
    "garden": N_("Garden"),
    "other": N_("Another room"),
}
REFUSALS: Table = {
    "label_foreign": N_("This code is not on one of our units. Look for the label on the unit itself."),
    "label_shape": N_("A label has eight characters, for example 0000-01A-5. Read it again."),
    "label_check": N_("One character of the label is wrong. Read it again."),
    "unknown_unit": N_("There is no such unit in your municipality. Compare the label with the order."),
    "unknown_reference": N_("There is no such person in your municipality. Compare the reference with the order."),
    "wrong_digits": N_(
        "The check digits do not belong to this reference. Compare both with the order in the home: you may "
        "be at the wrong person."
    ),
    "other_municipality": N_("Unit and person are of different municipalities. Take another unit."),
    "revoked": N_("This unit's keys have ended. Take another unit."),
    "unit_busy": N_("Somebody is pairing this unit already. Talk to them, or take another unit."),
    "recipient_busy": N_("Somebody is pairing a unit with this person already. Talk to them before you go on."),
    "paired_already": N_("This person has this unit already, and it is proven. There is nothing to do."),
    "had_by_another": N_(
        "Another person relies on this unit. Look at the label. If the unit was taken back, register that "
        "first."
    ),
    "meant_for_another": N_("This unit was prepared for another person. Compare label and order."),
    "not_ready": N_("This unit is not ready for use. Take another one, or register it in stock first."),
    "key_used": N_("This has been sent for another pairing. Begin anew."),
    "over": N_("This pairing is over."),
}  # fmt: skip
PAIRING: Table = {
    "contact_ok": N_("In contact with the server"),
    "contact_lost": N_("No contact with the server since {time}. What you typed is kept."),
    "contact_unknown": N_("Looking for the server …"),
    "signed_out": N_("You are logged out. What you typed is kept: log in and come back to this page."),
    "scan_off": N_("The camera cannot be used here. Type the label."),
    "scan_none": N_("No label seen yet. Hold the telephone still, 15 cm away."),
    "scanned": N_("Label read: {label}"),
    "kept": N_(
        "Not sent yet. Do not press any button: a press would be a real alarm. The unit is not active; the "
        "old one still counts."
    ),
    "sending": N_("Sending …"),
    "not_active": N_("Not yet active"),
    "old_counts": N_("The old unit still counts."),
    "active": N_("Active"),
    "wait": N_("Wait. Do not press yet: the unit is being told that a test is coming."),
    "plug": N_("Plug the unit in now, if you have not."),
    "press_old": N_("Press the button of the OLD unit once."),
    "press_own": N_("Press the button on the new unit once."),
    "press_pendant": N_("Press pendant {n} once."),
    "press_room": N_("Go to: {room}. Press pendant {n} once there."),
    "press_room_own": N_("Go to: {room}. Press the unit's button once there."),
    "now": N_("Press now"),
    "step_old": N_("Old unit"),
    "step_own": N_("The unit's own button"),
    "step_pendant": N_("Pendant {n}"),
    "step_room": N_("{room}, pendant {n}"),
    "step_room_own": N_("{room}, own button"),
    "state_waiting": N_("later"),
    "state_ordered": N_("wait"),
    "state_ready": N_("press now"),
    "state_proven": N_("came back in {s} s, attempt {n}"),
    "state_signal": N_("signal {dbm} dBm"),
    "state_failed": N_("did not come"),
    "state_left_out": N_("left out"),
    "why_not_heard": N_(
        "The unit was not heard. Pull its plug and put it back. If that does not help, place it at a window."
    ),
    "why_refused": N_("The unit refused the test. Try again. If it refuses again, take another unit."),
    "why_no_press": N_(
        "Nothing came. Press once more after Try again. If nothing comes again, place the unit nearer or at a "
        "window."
    ),
    "why_no_press_old": N_(
        "No press of the old unit came. Are you at the right person? Compare the reference with the order."
    ),
    "moved": N_("I have moved it"),
    "again": N_("Try again"),
    "old_broken": N_("The old unit cannot be pressed"),
    "give_up": N_("Give up this pairing"),
    "live": N_(
        "A real alarm of this home is open. The centre is dealing with it. If nobody needs help, wait for "
        "their call."
    ),
    "done": N_("Done"),
    "proof": N_("Proof {id}"),
    "fee": N_("A fee may be charged from {date}."),
    "abandoned": N_("This pairing is over without a proof. The unit is not active; what was before still holds."),
    "install": N_("Works without contact, also from the home screen."),
    "waiting_many": N_("{n} pairings wait to be sent"),
}  # fmt: skip
