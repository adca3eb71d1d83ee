"""What tools read and write without a disk: they find it, and a station that is killed leaves nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.off_disk import handed

SECRET = b"a master secret of sixteen"
PROGRAM = """
import os, signal, sys
{first}
from provisioning.off_disk import handed
with handed([b"a master secret of " + b"sixteen"]) as files:
    assert files.content(0).endswith(b"sixteen")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_tool_reads_and_writes_them(monkeypatch: pytest.MonkeyPatch, *, in_memory: bool) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    copy = "import sys; data = open(sys.argv[1], 'rb').read(); open(sys.argv[2], 'wb').write(data[::-1])"
    with handed([SECRET, b"something longer that was there before"]) as files:
        assert bool(files.descriptors) == in_memory
        subprocess.run([sys.executable, "-c", copy, *files.paths], check=True, pass_fds=files.descriptors, timeout=400)
        assert files.content(0) == SECRET and files.content(1) == SECRET[::-1]
        paths = files.paths
    assert not any(Path(path).exists() for path in paths)


@pytest.mark.parametrize("in_memory", [True, False])
def test_who_is_killed_leaves_nothing_on_the_disk(tmp_path: Path, *, in_memory: bool) -> None:
    """Where there is no memory for it, the file stays: the negative control, and what the module says."""
    program = PROGRAM.format(first="" if in_memory else "del os.memfd_create")
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False, timeout=400,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == -9
    left = [path for path in tmp_path.rglob("*") if path.is_file() and SECRET in path.read_bytes()]
    assert bool(left) != in_memory
