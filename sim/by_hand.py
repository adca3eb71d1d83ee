"""One unit at the terminal: `python -m sim.by_hand FLASH`, with its console on standard output, until Ctrl-C.

`FLASH` is a provisioned folder, as `livlina unit add` writes it. Nobody can press its button: for that use `sim.units`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sim.firmware_build import ROOT, build_firmware, command, environment, heap

_CODE = "import firmware.main; firmware.main.run()"


def main() -> None:
    """Become the unit."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit("name the folder that is the unit's flash: python -m sim.by_hand FLASH")
    build = build_firmware(ROOT / "build/firmware")
    argv = command(build, _CODE, heap(build))
    os.chdir(sys.argv[1])
    os.execve(argv[0], argv, {**os.environ, **environment(build)})  # noqa: S606 - the interpreter of the units


if __name__ == "__main__":
    main()
