"""Virtual boards on the bench: `python -m sim.board_rom [--starts] FOLDER...`.

A folder that is no board yet becomes an ESP32-S3 with a MAC out of its name. One JSON line a board says where its port
is; it ends when standard input ends. `--starts`: ports are pseudo-terminals, which are faster, and a board that a tool
lets go of runs real MicroPython out of its flash; a line `press N` presses the button of board N, from 0.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from pathlib import Path

from sim.board_rom.bench import VirtualBench
from sim.board_rom.board import VirtualBoard, make_board
from sim.board_rom.port import BoardPort
from sim.board_rom.power import PowerError, Processor


def _make(folders: list[Path]) -> None:
    for folder in folders:
        if not (folder / "board.json").exists():
            mac = b"\x02" + hashlib.sha256(folder.name.encode()).digest()[:5]
            make_board(folder, "esp32s3", mac)


def _tell(board: VirtualBoard, address: str) -> None:
    sys.stdout.write(json.dumps({"board": str(board.folder), "mac": board.mac.hex(":"), "port": address}) + "\n")


async def _serve(folders: list[Path]) -> None:
    ports = []
    for folder in folders:
        port = BoardPort(VirtualBoard(folder))
        address = await port.open()
        ports.append(port)
        _tell(port.board, address)
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for port in ports:
        await port.close()
        port.board.close()


def _serve_started(folders: list[Path]) -> None:
    from sim.firmware_build import ROOT, build_firmware, heap

    build = build_firmware(ROOT / "build/firmware")
    with VirtualBench(folders, Processor(build / "shims", heap(build, 100))) as bench:
        for board, address in zip(bench.boards, bench.addresses, strict=True):
            _tell(board, address)
        sys.stdout.flush()
        for line in sys.stdin:
            word, number = line.split()
            if word == "press":
                try:
                    bench.press(int(number))
                except PowerError as error:
                    sys.stderr.write(f"board {number}: {error}\n")


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m sim.board_rom")
    parser.add_argument("--starts", action="store_true", help="boards start from their flash when a tool lets go")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    _make(asked.folders)
    if asked.starts:
        _serve_started(asked.folders)
    else:
        asyncio.run(_serve(asked.folders))


if __name__ == "__main__":
    main()
