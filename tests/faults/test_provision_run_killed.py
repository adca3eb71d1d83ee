"""`livlina provision run` is killed outright, again and again, and given again: every board ends as one unit, no more.

Real esptool on virtual boards that run real MicroPython, a real fleet server on PostgreSQL; the station is a process of
its own and dies by SIGKILL, its esptools with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
import pytest

from livlina.provision_run import PRESS
from provisioning import littlefs_image
from provisioning.ledger import Ledger
from provisioning.partition_table import layout, named
from sim.board_rom.chip import CHIPS
from sim.board_rom.dump import searched, secrets_in
from sim.board_rom.stand_in import NAME, stand_in
from sim.house import MUNICIPALITY, House, Ports

ORDER = """
number = "K-1"
quantity = {boards}
municipality = {municipality}
profile = "social"
production = false
heartbeat_s = 20
pipes = ["coap"]
coap = ["127.0.0.1:{coap}"]

[board]
name = "virtual board"
chip = "esp32s3"
flash_mib = 4
bootloader = 0
secure_boot = true
"""
SMALL_APP = 20_000
LONGEST_S = 200.0
WHOLE_RUN_S = 25.0
"""Kills are spread over at least as long as a run takes; a run that ends earlier is not killed."""


@dataclass
class Bench:
    """A workshop on disk, its fleet, and its boards' ports."""

    folder: Path
    house: House
    ports: list[str]
    finger: IO[str]

    def start(self, dies_at: str = "") -> subprocess.Popen[str]:
        """`livlina provision run`, in a process group of its own, which dies when this step is begun."""
        environment = {
            **os.environ, "LIVLINA_DATA": str(self.house.folder), "LIVLINA_DATABASE_URL": self.house.postgres.app_url,
            "LIVLINA_OWNER_DATABASE_URL": self.house.postgres.owner_url, "TMPDIR": str(self.folder / "tmp"),
        }  # fmt: skip
        command = [
            sys.executable, "-m", "livlina", "provision", "run", str(self.folder / "order.toml"), "--json",
            *(word for port in self.ports for word in ("--port", port)), "--station", str(self.folder / "station"),
            "--image", str(self.folder / "stand-in.bin"), "--manifest", str(self.folder / "manifest.json"),
            "--firmware", str(self.folder / "firmware.romfs"),
        ]  # fmt: skip
        said, says = os.pipe()
        try:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=says, text=True, start_new_session=True
            )
        finally:
            os.close(says)
        threading.Thread(target=self._obey, args=(said, process.pid, dies_at), daemon=True).start()
        return process

    def _obey(self, said: int, group: int, dies_at: str) -> None:
        """Whoever sits at the bench: presses the button of a board when the station asks for it."""
        with os.fdopen(said) as lines:
            for line in lines:
                if dies_at and line.rstrip().endswith(f" {dies_at}"):
                    os.killpg(group, signal.SIGKILL)
                if PRESS in line:
                    self.finger.write(f"press {self.ports.index(line.split()[0])}\n")
                    self.finger.flush()

    def killed_after(self, seconds: float) -> bool:
        """A run that dies after so long; False if it was done before."""
        process = self.start()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        return False

    def killed_at(self, step: str) -> bool:
        """A run that dies when a board is at this step; False if none came there."""
        process = self.start(step)
        process.communicate(timeout=LONGEST_S)
        return process.returncode == -signal.SIGKILL

    def orphans(self) -> set[int]:
        """Units that would be listened to and are no board's."""
        with psycopg.connect(self.house.postgres.owner_url) as connection:
            known = {row[0] for row in connection.execute("SELECT unit_id FROM units WHERE state = 'active'")}
        return known ^ {row.unit for row in Ledger(self.folder / "station" / "ledger").rows()
                        if row.kind == "provisioned"}  # fmt: skip


@contextlib.contextmanager
def workshop(folder: Path, boards: int) -> Iterator[Bench]:
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    house = House(folder / "house", 0, Ports.free())
    house.folder.mkdir(mode=0o755)
    # Beside the house's start, since each takes some seconds of waiting.
    words = [sys.executable, "-m", "livlina", "provision", "firmware", str(folder / "firmware.romfs")]
    with asyncio.Runner() as runner, subprocess.Popen(words, stdout=subprocess.DEVNULL) as firmware:
        try:
            runner.run(house.start())
            image = folder / "stand-in.bin"
            image.write_bytes(stand_in(CHIPS["esp32s3"], SMALL_APP))
            digest = hashlib.sha256(image.read_bytes()).hexdigest()
            entry = {"file": image.name, "sha256": digest, "chip": "esp32s3", "says": NAME}
            (folder / "manifest.json").write_text(json.dumps({"images": [entry]}))
            order = ORDER.format(boards=boards, municipality=MUNICIPALITY, coap=house.ports.coap)
            (folder / "order.toml").write_text(order)
            assert firmware.wait(timeout=LONGEST_S) == 0
            program = [sys.executable, "-m", "sim.board_rom", "--starts"]
            program += [str(folder / f"board{number}") for number in range(boards)]
            with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cables:
                assert cables.stdin is not None and cables.stdout is not None
                ports = [json.loads(cables.stdout.readline())["port"] for _ in range(boards)]
                try:
                    yield Bench(folder, house, ports, cables.stdin)
                finally:
                    cables.stdin.close()
                    cables.wait(timeout=LONGEST_S)
        finally:
            runner.run(house.stop())
            house.postgres.destroy()


def left_in_the_clear(folder: Path, boards: int) -> list[Path]:
    """Files of the station's, temporary ones too, that hold a secret of a board that it has made."""
    part = named(layout(4 << 20), "vfs")
    found = []
    for number in range(boards):
        flash = (folder / f"board{number}" / "flash.bin").read_bytes()
        secrets = secrets_in(littlefs_image.read(flash[part.offset : part.end]))
        assert searched(flash, secrets)  # The control.
        files = [path for name in ("station", "tmp") for path in (folder / name).rglob("*") if path.is_file()]
        found += [path for path in files if searched(path.read_bytes(), secrets)]
    return found


def killed_and_given_again(folder: Path, boards: int, kills: list[float], steps: list[str]) -> None:
    with workshop(folder, boards) as bench:
        died = [bench.killed_at(step) for step in steps] + [bench.killed_after(seconds) for seconds in kills]
        process = bench.start()
        said, _ = process.communicate(timeout=LONGEST_S)
        assert any(died), "nothing was killed"
        assert process.returncode == 0, said
        document = json.loads(said)
        assert document["made"] == boards
        assert bench.orphans() == set()
        rows = Ledger(folder / "station" / "ledger").rows()
        assert len({row.mac for row in rows}) == boards
        assert [row.facts["tested"]["button"] for row in rows] == ["proven"] * boards
        if kills:
            # Given once more it finds nothing to do.
            assert not bench.killed_after(LONGEST_S)
            assert Ledger(folder / "station" / "ledger").rows() == rows
    assert left_in_the_clear(folder, boards) == []  # The boards have no power now.


@pytest.mark.timeout(500)
def test_a_station_that_is_killed_is_started_again(tmp_path: Path) -> None:
    killed_and_given_again(tmp_path, 1, [], ["selftest"])


STEPS = ["connect", "identity", "images", "register", "flash", "verify", "start", "selftest", "label", "ledger"]


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_a_station_killed_at_every_step_leaves_no_orphans(tmp_path: Path) -> None:
    killed_and_given_again(tmp_path, 1, [], STEPS)


@pytest.mark.proof
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", range(10))
def test_stations_killed_at_any_moment_leave_no_orphans(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    kills = [draw.uniform(1.0, WHOLE_RUN_S) for _ in range(4)]
    # However fast the machine is, the first run does not come to its end.
    killed_and_given_again(tmp_path, 2, kills, [draw.choice(STEPS)])
