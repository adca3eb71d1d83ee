"""``livlina demo`` as a person or a script runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from fleet.store.embedded_postgres import EmbeddedPostgres

DEMO = (sys.executable, "-m", "livlina", "demo", "--units", "4", "--json")


def test_demo_brings_every_press_through_and_leaves_no_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "livlina", "demo", "--units", "6", "--seconds", "8", "--headless", "--json"],
        capture_output=True, text=True, timeout=400, check=False,
        env={**os.environ, "LIVLINA_TEST_MARK": f"demo-{os.getpid()}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert summary["units"] == summary["unit_processes"] == 6
    assert summary["presses"] >= 2
    assert summary["lost"] == 0
    assert summary["duplicates"] == 0
    assert summary["heartbeats"] >= 1
    assert "MicroPython" in summary["interpreter"]
    for stage in ("stored_ms", "accepted_ms", "taken_ms"):
        assert 0 < summary[stage]["p50"] <= summary[stage]["p95"] <= summary[stage]["max"]
    assert summary["stored_ms"]["p50"] <= summary["accepted_ms"]["p50"] <= summary["taken_ms"]["p50"]
    assert left_behind(f"LIVLINA_TEST_MARK=demo-{os.getpid()}") == []


def test_a_run_on_old_data_counts_only_itself(data_folder: Path) -> None:
    first, second = (headless(data_folder) for _ in range(2))
    assert {first["presses"], second["presses"]} <= {1, 2}, "one every other second, as far as the machine lets it"
    assert first["lost"] == second["lost"] == first["duplicates"] == second["duplicates"] == 0
    postgres = EmbeddedPostgres(data_folder)
    postgres.start()
    try:
        with psycopg.connect(postgres.owner_url) as connection:
            row = connection.execute("SELECT count(*) FROM readings").fetchone()
    finally:
        postgres.stop()
    assert row is not None
    assert first["heartbeats"] > 0
    assert second["heartbeats"] > 0
    assert first["heartbeats"] + second["heartbeats"] <= row[0], "the first run's are counted again"


def headless(data: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*DEMO, "--headless", "--seconds", "3", "--data", str(data)],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_ctrl_c_ends_a_demo_in_order_and_a_taken_port_is_named(data_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        returned, out, said = interrupted(
            data_folder, lambda: len(list(data_folder.glob("units/*/journal"))) == 4, str(port)
        )
    assert returned == 0, said[-3000:]
    assert f"port {port} is taken by another program" in said
    summary = json.loads(out)
    assert summary["lost"] == summary["duplicates"] == 0
    for console in data_folder.glob("units/*/console.log"):
        assert "KeyboardInterrupt" not in console.read_text(), "the units heard it too, and died in the middle of work"


def test_ctrl_c_during_the_start_is_no_error_of_a_part(data_folder: Path) -> None:
    returned, out, said = interrupted(data_folder, (data_folder / "postgres").exists, "0")
    assert returned == 1
    assert out == ""
    assert "stopped before everything was up" in said
    assert "Traceback" not in said


def interrupted(data: Path, ready: Callable[[], object], http_port: str) -> tuple[int, str, str]:
    """Starts a demo as at a terminal and sends SIGINT to its whole group, as Ctrl-C does, once it is that far."""
    mark = f"demo-{os.getpid()}-{data.name}"
    process = subprocess.Popen(
        [*DEMO, "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={
            **os.environ, "LIVLINA_TEST_MARK": mark,
            "LIVLINA_HTTP_PORT": http_port, "LIVLINA_MQTT_PORT": "0", "LIVLINA_COAP_PORT": "0",
        },
    )  # fmt: skip
    try:
        ends = time.monotonic() + 300
        while not ready():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < ends, "the demo did not come that far"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        out, said = process.communicate(timeout=400)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert left_behind(f"LIVLINA_TEST_MARK={mark}") == []
    return process.returncode, out, said


def left_behind(mark: str) -> list[int]:
    """Processes that still carry the mark in their environment, this one and zombies left out."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as environment:
                if mark.encode() in environment.read().split(b"\0"):
                    found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
