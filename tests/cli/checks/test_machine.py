"""The machine: each check with a machine that is well and one that is not."""

import os
from pathlib import Path

import pytest

from weft.cli.checks import machine
from weft.cli.checks.machine import (
    CLOCK_MIN_NS,
    check_clock,
    check_disk,
    check_libraries,
    check_open_files,
    check_python,
)
from weft.model.moments import NS_PER_S

NOW = CLOCK_MIN_NS + 10**9 * NS_PER_S // 10


def test_this_machine_is_well() -> None:
    """The tests run on it."""
    assert check_python().state == "ok"
    assert check_libraries().state == "ok"


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else fails for that reason."""
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 4))
    assert check_python().state == "fail"


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("no-such-library>=1", "no-such-library is missing"),
        ("click>=999", "not >=999"),
        ("click<1", "not <1"),
        ("uvicorn==0.1.0", "not ==0.1.0"),
        ("msgspec>=0.1,<0.2", "not <0.2"),
    ],
)
def test_a_library_that_does_not_fit_is_named(requirement: str, words: str) -> None:
    """With the version that is there and the one that is needed."""
    found = check_libraries([requirement, "click>=1"])
    assert found.state == "fail"
    assert words in found.found


def test_extras_are_not_needed() -> None:
    """Nor versions with fewer numbers told apart from those with more."""
    assert check_libraries(['nothing>=1; extra == "arrow"', "click>=8"]).state == "ok"
    assert machine._holds("8.0", "==", "8")
    assert machine._holds("0.54.0", "<=", "0.54")
    assert not machine._holds("8.0.1", "!=", "8.0.1")


@pytest.mark.parametrize(
    ("limit", "state"), [(1024, "warn"), (1 << 20, "ok"), (machine.resource.RLIM_INFINITY, "ok")]
)
def test_few_open_files_are_few_connections(
    monkeypatch: pytest.MonkeyPatch, limit: int, state: str
) -> None:
    """The thousandth device would be refused, and nobody would know why."""
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _which: (limit, limit))
    assert check_open_files().state == state


@pytest.mark.parametrize(("free", "state"), [(10, "fail"), (500 << 20, "warn"), (2 << 30, "ok")])
def test_a_full_disk_is_told_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str
) -> None:
    """Also of a folder that is not there yet: its disk is that of the folder above."""
    usage = type("Usage", (), {"free": free, "total": 10 << 30})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: usage)
    assert check_disk(tmp_path / "not" / "yet").state == state


def test_a_clock_that_went_back_is_told(tmp_path: Path) -> None:
    """A board without a battery starts in 1970; certificates would not be valid yet."""
    file = tmp_path / "journal.sqlite"
    file.touch()
    os.utime(file, ns=(NOW, NOW))
    assert check_clock(tmp_path, NOW + NS_PER_S).state == "ok"
    assert check_clock(tmp_path, NOW - 30 * NS_PER_S).state == "ok"
    back = check_clock(tmp_path, NOW - 3600 * NS_PER_S)
    assert (back.state, "3,600 s before" in back.found) == ("fail", True)
    assert check_clock(tmp_path / "none", 0).state == "fail"
    assert check_clock(tmp_path / "none", NOW).state == "ok"
