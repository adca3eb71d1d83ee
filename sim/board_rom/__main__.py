"""Virtual boards on the bench: `python -m sim.board_rom FOLDER...`.

A folder that is no board yet becomes an ESP32-S3 with a MAC out of its name. One JSON line a board says where its port
is; it ends when standard input ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

from sim.board_rom.board import VirtualBoard, make_board
from sim.board_rom.port import BoardPort


async def _serve(folders: list[Path]) -> None:
    ports = []
    for folder in folders:
        if not (folder / "board.json").exists():
            mac = b"\x02" + hashlib.sha256(folder.name.encode()).digest()[:5]
            make_board(folder, "esp32s3", mac)
        port = BoardPort(VirtualBoard(folder))
        address = await port.open()
        ports.append(port)
        sys.stdout.write(json.dumps({"board": str(folder), "mac": port.board.mac.hex(":"), "port": address}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for port in ports:
        await port.close()
        port.board.close()


def main() -> None:
    """The program."""
    if len(sys.argv) < 2:
        raise SystemExit("name the folders of the boards: python -m sim.board_rom FOLDER...")
    asyncio.run(_serve([Path(name) for name in sys.argv[1:]]))


if __name__ == "__main__":
    main()
