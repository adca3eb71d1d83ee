"""A modem at the terminal: a scenario file of one's own, and a sentence for one that is none."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "sim.modem")


@pytest.mark.parametrize("dialect", ["bg95", "gm02s"])
def test_somebody_talks_to_a_modem_of_his_own_file(tmp_path: Path, dialect: str) -> None:
    (tmp_path / "mine.toml").write_text(f'dialect = "{dialect}"\nrevision = "MINE-1"\n[timing]\nboot_ms = 10\n')
    argv = [*COMMAND, str(tmp_path / "mine.toml"), "--on"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = dict(one.split("=") for one in process.stdout.readline().split())
            assert set(said) == {"LIVLINA_BOARD", "LIVLINA_MODEM_TTY", "LIVLINA_UNIT"}
            line = os.open(said["LIVLINA_MODEM_TTY"], os.O_RDWR | os.O_NOCTTY)
            heard = b""
            while b"MINE-1" not in heard:
                # Until it has started nobody answers.
                os.write(line, b"AT+CGMR\r")
                if select.select([line], [], [], 1)[0]:
                    heard += os.read(line, 4096)
            os.close(line)
        finally:
            process.terminate()
    assert process.returncode == 0


def test_a_file_that_is_none_ends_it_with_2_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[path]\nlatency_ms = "slow"\n')
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for name, wanted in (
        ("wrong", "latency_ms cannot be 'slow'"), ("bytes", "bytes.toml"), ("none", "no scenario"),
    ):  # fmt: skip
        done = subprocess.run(
            [*COMMAND, str(tmp_path / f"{name}.toml")], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and wanted in done.stderr and "Traceback" not in done.stderr, done.stderr
