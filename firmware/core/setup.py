"""What a unit is, once its configuration has been read: its profile, what the configuration has made of it, and
what it sees the world with.

Pure data that lives as long as the unit does; `core.profiles`, which makes the profile, is not kept in memory.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.contact import Input
    from firmware.core.pendants import Pendant

    Key = tuple[int, int]


class Profile:
    """One kind of unit. `inputs` are (code, kind, hold ms, cancel ms, flags); `heartbeat` is (usual, longest) in s,
    `off_duty` the usual one off duty or 0; `battery` is (mAh, mV, chemistry, mains)."""

    def __init__(
        self,
        code: int,
        name: str,
        inputs: "tuple[tuple[int, int, int, int, int], ...]",
        pendants: int,
        heartbeat: "tuple[int, int]",
        off_duty: int,
        psm: int,
        position: int,
        battery: "tuple[int, int, int, bool]",
    ) -> None:
        self.code = code
        self.name = name
        self.inputs = inputs
        self.pendants = pendants
        self.heartbeat = heartbeat
        self.off_duty = off_duty
        self.psm = psm
        self.position = position
        self.battery = battery


class Setup:
    """What a configuration has become: `inputs` for core.contact, `pendants` for core.pendants, `faults` as (key of the
    configuration, what is wrong) of everything that was replaced."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.heartbeat = profile.heartbeat[0]
        self.off_duty = profile.off_duty
        self.silent = False
        self.inputs: "list[Input]" = []
        self.pendants: "list[Pendant]" = []
        self.faults: "list[tuple[int, str]]" = []


class Means:
    """What the brain is given to look at the world: `random(n)` gives 0..n-1; `measure()` two dicts, what a heartbeat
    says of the unit now (fields of messages.Heartbeat) and the full status; `wall()` the unit's own clock (unix s);
    `bearer(pipe)` as in messages; `past(key)` whether the journal has this press as one that is over, None if it
    cannot tell."""

    def __init__(
        self,
        random: "Callable[[int], int]",
        measure: "Callable[[], tuple[dict[str, Any], dict[int, Any]]]",
        wall: "Callable[[], int]",
        bearer: "Callable[[str], int | None]",
        past: "Callable[[Key], bool | None]",
    ) -> None:
        self.random = random
        self.measure = measure
        self.wall = wall
        self.bearer = bearer
        self.past = past
