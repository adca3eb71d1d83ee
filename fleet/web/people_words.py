"""The words for roles, ways to sign in, and what went wrong with people and tokens."""

from __future__ import annotations

from fleet.web.texts import N_, Table

ROLES: Table = {
    "care_assistant": N_("Care assistant"),
    "technician": N_("Technician"),
    "operator": N_("Operator"),
    "shift_lead": N_("Shift lead"),
    "fleet_owner": N_("Fleet owner"),
    "auditor": N_("Auditor"),
    "administrator": N_("Administrator"),
}
MAY: Table = {
    "care_assistant": N_("Pairs units with recipients and sees units. Never sees names or addresses."),
    "technician": N_("Sees and repairs units, closes tasks, pairs units. Sees no cases and no recipients."),
    "operator": N_("Takes and closes alarms. Opens a recipient's data with an open case or a reason."),
    "shift_lead": N_("All that an operator may, and reads reports."),
    "fleet_owner": N_("Runs units, recipients and routines of a municipality, and reads what was done."),
    "auditor": N_("Reads the record and reports. Changes nothing."),
    "administrator": N_("Gives and takes roles, makes tokens, writes routines. Sees no cases and no recipients."),
}
METHODS: Table = {
    "password": N_("Password"),
    "passkey": N_("Passkey"),
    "oidc": N_("The municipality's sign-in"),
    "link": N_("One-time link"),
}
WRONG: Table = {
    "login": N_("That is no sign-in name: use 1 to 64 letters a-z, digits, full stop, hyphen or underscore."),
    "display_name": N_("A name has at most 80 characters."),
    "taken": N_("That sign-in name is taken. Choose another one."),
    "role": N_("Choose one of the roles."),
    "place": N_("Choose where the role shall hold."),
    "own_roles": N_("Nobody changes their own roles. Ask another administrator."),
    "not_administered": N_(
        "That is not yours to change: ask an administrator of every place where this person has a role."
    ),
    "last_administrator": N_("This is the last administrator here. Make another one first."),
    "person": N_("There is no such person."),
    "name": N_("A token needs a name of 1 to 60 characters."),
    "life": N_("Choose a municipality and for how long."),
    "password": N_("A password has 12 to 200 characters."),
    "no_passkey": N_("The second step needs a passkey. Add one first."),
}
DONE: Table = {
    "granted": N_("The role is given."),
    "revoked": N_("It is taken away."),
    "closed": N_("This person can no longer sign in."),
    "opened": N_("This person can sign in again."),
    "gone": N_("Nothing was changed: it was gone already."),
    "password": N_("The password is changed. You are signed out everywhere else."),
    "second_step": N_("The second step is changed."),
    "sessions": N_("You are signed out everywhere else."),
    "passkey_added": N_("The passkey is added."),
    "connected": N_("The municipality's sign-in is connected."),
    "welcome": N_("Welcome. Add a passkey here if you want one."),
}
