"""The words of the bench's page: steps, what to do with one's hands, and what to do when a board fails."""

from __future__ import annotations

from fleet.web.bench_reasons import REASONS
from fleet.web.texts import N_, Table, Words

STEPS: Table = {
    "connect": N_("Ask the board who it is"),
    "identity": N_("Make its identity"),
    "images": N_("Make its images"),
    "register": N_("Tell the fleet"),
    "flash": N_("Write the flash"),
    "verify": N_("Read it again"),
    "efuses": N_("Burn the fuses"),
    "start": N_("Start, and be heard"),
    "selftest": N_("Self-test"),
    "label": N_("Make the label"),
    "ledger": N_("Write the ledger"),
}
STEP_STATES: Table = {
    "": N_("to come"),
    "begin": N_("under way"),
    "done": N_("done"),
    "kept": N_("done before"),
    "failed": N_("failed"),
}
HANDS: Table = {
    "": "",
    "put_on": N_("Put a board on the cable. Then press Start."),
    "leave": N_("Leave the cable alone."),
    "wait": N_("Nothing to do. Wait."),
    "press": N_("Press the board's button now, for a second."),
    "lamp": N_("Press was heard. Does the lamp shine?"),
    "vibration": N_("Did the board shake when you pressed?"),
    "speaker": N_("Did the board sound when you pressed?"),
    "stick": N_("Put the label on the board. Take the board off."),
    "rest": N_("The work has ended here."),
}
FAULTS: Table = {
    "": "",
    "cable": N_("The board does not answer. Push the cable in or take another one, then try again."),
    "tool": N_("The tool gave up. Take the cable out and in again, then try again."),
    "kind": N_("This is another kind of board. Lay it aside."),
    "already": N_("This board is a unit already. Lay it aside: return it or scrap it first."),
    "elsewhere": N_("This board was begun for another order or with other firmware. Lay it aside: take it back first."),
    "flash": N_("The flash does not hold what was written. Try another cable; if it stays so, scrap the board."),
    "fuses": N_("The chip was burnt for somebody else. Lay the board aside."),
    "fleet": N_("The fleet does not take this board. Call whoever runs the fleet."),
    "unheard": N_("The fleet does not hear the board. Look at antenna, SIM card and power, then try again."),
    "button": N_("The button does not come through. Try again; if it stays so, repair the button."),
    "lamp": N_("The lamp does not shine. Look at the lamp and its solder joints, then try again."),
    "vibration": N_("The board does not shake. Look at the motor and its solder joints, then try again."),
    "speaker": N_("The board does not sound. Look at the speaker and its solder joints, then try again."),
    "modem": N_("The modem says nothing. Look at its plug and its supply, then try again."),
    "sims": N_("A SIM card is missing. Push both cards in until they click, then try again."),
    "battery": N_("The battery is missing or empty. Plug it in or charge it, then try again."),
    "label": N_("The label cannot be read. Do not print it. Call whoever runs the station."),
    "full": N_("The order is full. Take the board off."),
    "station": N_("The station is at fault, not the board. Call whoever runs it."),
    "other": N_("The board has failed. Read the reason, then try again."),
}
SAY: Table = {
    "place": N_("Place {n}"),
    "start": N_("Start"),
    "again": N_("Try again"),
    "lamp_yes": N_("Yes, it shines"),
    "lamp_no": N_("No, it is dark"),
    "vibration_yes": N_("Yes, I felt it"),
    "vibration_no": N_("No, it is still"),
    "speaker_yes": N_("Yes, I heard it"),
    "speaker_no": N_("No, it is silent"),
    "print": N_("Print the label"),
    "passed": N_("passed"),
    "failed": N_("failed"),
    "unit": N_("Unit {id}"),
    "made": N_("{n} of {of} made"),
    "many": N_("{n} passed here"),
    "reason": N_("The station says"),
    "gone": N_("This link is used up. The station's terminal shows a new one."),
}


def for_scripts(words: Words) -> dict[str, object]:
    """All words that the bench's script uses, as plain JSON."""
    tables: dict[str, Table] = {
        "step": STEPS, "step_state": STEP_STATES, "hands": HANDS, "fault": FAULTS, "say": SAY,
        "reason": {text: text for text in REASONS},
    }  # fmt: skip
    # An empty message would be the catalogue's own header.
    return {
        **words.for_scripts(),
        **{
            name: {str(code): words._(text) if text else "" for code, text in table.items()}
            for name, table in tables.items()
        },
    }
