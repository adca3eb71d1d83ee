"""Looks up a press that is over in the journal's files: for a challenge, which is rare, so nothing of it is kept."""

from firmware.core import records
from firmware.ports import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.ports.flash import Flash


def knows(flash: "Flash", key: "tuple[int, int]") -> bool:
    """Whether this unit's flash has a press with this key; False too when it cannot be read, or is so old that the
    journal has let it go."""
    for path in (journal.FILE, journal.OLD):
        try:
            file = flash.open(path, "rb")
        except OSError:
            continue
        try:
            found = records.unframe(file.read)
            while found is not None:
                record = found[0]
                if record[records.TYPE] == records.PRESS and (record.get(records.BOOT), record.get(records.SEQ)) == key:
                    return True
                found = records.unframe(file.read)
        except OSError:
            continue
        finally:
            file.close()
    return False
