"""What a station says of a board that cannot go on, as the bench's page says it in its languages.

The sentences are those of the station's own programs (provisioning/, livlina/provision_*.py), with names in braces for
their values; a test compares them. What the makers' tools say is a value, and stays in their language.
"""

from __future__ import annotations

from fleet.web.texts import N_

REASONS: tuple[str, ...] = (
    N_("{program} ended with {status}: {words}"),
    N_("this board has {flash} MiB of flash: it is no {kind}; lay it aside"),
    N_("this board is unit {unit} already: return or scrap it first, or take it to verify"),
    N_("this board was begun for order {order}: finish it there, or take it back"),
    N_("order {order} is of {boards} boards, and they are made or under work: take this one off, or order more"),
    N_(
        "order {order} is of {boards} boards, and the fleet has as many, of this station or of another: take this one "
        "off, or order more"
    ),
    N_("a production board takes an image that the secure boot key has signed: name key and image"),
    N_("the firmware is {bytes} bytes, and its partition {size}"),
    N_("the signed image does not hold this firmware: seal it into the image first"),
    N_("firmware or order have changed since this board was begun: take it back and begin anew"),
    N_("this board may have started with its identity: take it back and begin anew"),
    N_("the flash does not hold what was written: try another cable; if it stays so, scrap the board"),
    N_("a production board needs the secure boot key's digest: name the key"),
    N_("secure boot is on in this board, so it starts nothing unsigned: order production boards of its key"),
    N_("this board starts only what another key has signed: take it to its owner, or where that key is"),
    N_("unit {unit} has told no IMEI: look at the modem's plug and supply, and run again"),
    N_("unit {unit} has told {told} of {slots} SIM cards: look at the card in slot {missing}, and run again"),
    N_("unit {unit} tells the same card in both slots: its slots are wired to one holder"),
    N_("unit {unit} tells no battery, or a dead one: plug it in, or charge it, and run again"),
    N_("the battery of unit {unit} is at {battery} %: charge it to {least} % or more, and run again"),
    N_("the label of unit {unit}: {words}"),
    N_("the label of unit {unit} is read as {said}: do not print it"),
    N_(
        "this fleet is one that people rely on, and the order is for development boards: order production boards, or "
        "use another fleet"
    ),
    N_(
        "unit {unit} is known with another identity: this station's numbers belong to another one; give it a range of "
        "its own"
    ),
    N_("municipality {municipality} is unknown: add it with `livlina municipality add`"),
    N_("unit {unit} cannot end now: {words}"),
    N_("unit {unit} has not taken the order for its self-test: run again"),
    N_("no press of unit {unit} came through: press again after another run, or repair"),
    N_("the lamp of unit {unit} is dark: look at the lamp, and run again"),
    N_("unit {unit} does not shake: look at the motor, and run again"),
    N_("unit {unit} does not sound: look at the speaker, and run again"),
    N_("nobody has looked at the lamp of unit {unit}: run with --page, or from a terminal, and look"),
    N_("nobody has felt unit {unit} shake: run with --page, or from a terminal, and hold it"),
    N_("nobody has heard unit {unit} sound: run with --page, or from a terminal, and listen"),
    N_(
        "the fleet has not heard unit {unit} in {seconds} s: look at antenna, SIM and power, and at the server's "
        "addresses in the order; then run again, or take the board back"
    ),
)
