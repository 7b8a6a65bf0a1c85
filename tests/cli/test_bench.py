"""`weft bench`: its arithmetic, and one short run as it is typed."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.cli.platform import weft_command

from weft.cli.bench import Sample, sample, server, show, summarise
from weft.errors import ConfigurationError, Unavailable

RESULT: dict[str, Any] = {
    "connections": 10, "sent": 10_000, "acknowledged": 10_000, "seconds": 5.0, "rate": 2000.0,
    "lost_connections": 0, "generator_cpu_s": 1.0, "ack_p50_ms": 4.0, "ack_p99_ms": 9.5,
}  # fmt: skip
LOAD = {"seconds": 5.0, "rate": 2000.0}
IDLE = Sample(0.0, 0.0, 90_000_000)


def test_cpu_is_of_the_measured_time_alone() -> None:
    """Starting, connecting and warming up cost ten times as much and do not count."""
    samples = [Sample(at / 4, 10.0 + at / 4, 100_000_000) for at in range(20)]
    samples += [Sample(5 + at / 4, 15.0 + at / 40, 110_000_000) for at in range(20)]
    found = summarise(RESULT, LOAD, IDLE, samples)
    assert found.cores == pytest.approx(0.1)
    assert found.cpu_us_per_message == pytest.approx(50.0)
    assert (found.idle_memory_mb, found.memory_mb) == (90.0, 110.0)
    with pytest.raises(ConfigurationError, match="too short"):
        summarise(RESULT, LOAD, IDLE, samples[:1])


def test_it_says_that_the_numbers_are_this_machines() -> None:
    """And whether the machine or the asked rate was the limit."""
    samples = [Sample(at / 4, at / 40, 100_000_000) for at in range(40)]

    def said(load: dict[str, float]) -> str:
        output = io.StringIO()
        measured = summarise(RESULT, load, IDLE, samples)
        show(measured, Console(file=output, width=100, color_system=None))
        return output.getvalue()

    assert "2,000 messages/s of 2,000 asked" in said(LOAD)
    assert "this machine's" in said(LOAD)
    assert "held the load back" not in said(LOAD)
    assert "held the load back" in said(LOAD | {"rate": 9_000.0})


def test_a_process_that_is_gone_is_told() -> None:
    """The server crashed under the load: that is the result."""
    assert sample(os.getpid()).memory_bytes > 1_000_000
    with pytest.raises(Unavailable):
        sample(2**22 + 1)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """What it wrote at its end is shown, not a timeout."""
    (tmp_path / "master.key").write_text("no key")
    with pytest.raises(Unavailable, match="did not start"), server(tmp_path):
        pytest.fail("it started on a broken key")


def test_a_short_run(tmp_path: Path) -> None:
    """Two seconds at a small rate: everything is acknowledged, and nothing is left behind."""
    found = weft_command(
        tmp_path, "bench", "--seconds", "2", "--connections", "5", "--rate", "200",
        "--folder", str(tmp_path), "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    measured = json.loads(found.stdout)
    assert measured["rate"] > 0
    assert measured["connections"] == 5
    assert measured["cpu_us_per_message"] > 0
    assert [*tmp_path.iterdir()] == []
