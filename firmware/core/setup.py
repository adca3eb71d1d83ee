"""What a unit is, once its configuration has been read: its profile, and what the configuration has made of it.

Pure data that lives as long as the unit does; `core.profiles`, which makes it, is not kept in memory.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.core.contact import Input
    from firmware.core.pendants import Pendant


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
