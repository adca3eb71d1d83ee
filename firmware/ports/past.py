"""Looks up a press that is over in the journal's files: for a challenge, which is rare, so nothing of it is kept."""

from firmware.core import records
from firmware.ports import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.ports.flash import Flash


def knows(flash: "Flash", key: "tuple[int, int]", unsure: int = 0) -> "bool | None":
    """Whether this unit's flash has a press with this key. None where it cannot tell: a file is missing or cannot be
    read to its end, or it may lack presses of that boot (`journal.doubtful`, or any up to `unsure`). False also of a
    press that is so old that the journal has let it go."""
    whole = key[0] > max(unsure, journal.doubtful(flash))
    for path in (journal.FILE, journal.OLD):
        left = flash.size(path)
        if left < 0:
            # There is no older file before the first rotation.
            whole = whole and path == journal.OLD
            continue
        try:
            file = flash.open(path, "rb")
        except OSError:
            whole = False
            continue
        try:
            found = records.unframe(file.read)
            while found is not None:
                record, size = found
                if record[records.TYPE] == records.PRESS and (record.get(records.BOOT), record.get(records.SEQ)) == key:
                    return True
                left -= size
                found = records.unframe(file.read)
            whole = whole and not left
        except OSError:
            whole = False
        finally:
            file.close()
    return False if whole else None
