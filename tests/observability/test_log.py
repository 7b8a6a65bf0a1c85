"""Logs: one event a line, and nobody from outside writes a line of their own."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from weft.observability.log import escape_controls, get_logger, set_up_logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave logging to other tests as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def lines(level: str, *, as_json: bool = True, **fields: object) -> list[str]:
    """Log one event at every level, and return what came out."""
    stream = io.StringIO()
    set_up_logging(level, json=as_json, stream=stream)
    log = get_logger("weft.test")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("device_added", **fields)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_a_level_shows_itself_and_what_is_worse(level: str, count: int) -> None:
    """INFO is an operator's act, WARNING a peer's fault, ERROR asks for somebody."""
    assert len(lines(level)) == count


def test_json_lines_have_the_event_its_level_its_moment_and_its_fields() -> None:
    """For whoever collects logs."""
    (line,) = lines("error", device="pump-7", count=3)
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {
        "event": "device_added",
        "level": "error",
        "module": "weft.test",
        "device": "pump-7",
        "count": 3,
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_a_field_cannot_forge_a_line(as_json: bool) -> None:
    """A device calls itself by a name with a line break and a terminal's colours in it (AL-1)."""
    name = "pump\n2026-01-01 [error] all_is_lost \x1b[31m\x9b31m\u2028"
    (line,) = lines("error", as_json=as_json, device=name)
    assert "\x1b[31m" not in line
    assert "\x9b" not in line
    assert "\u2028" not in line


@given(st.text())
def test_whatever_is_escaped_prints_on_one_line(text: str) -> None:
    """And what is printable stays as it is, in any script."""
    escaped = escape_controls(text)
    assert escaped.isprintable()
    if text.isprintable():
        assert escaped == text


def test_a_trace_of_a_bug_keeps_its_lines() -> None:
    """It is ours, and made to be read."""
    stream = io.StringIO()
    set_up_logging("info", stream=stream)
    try:
        raise KeyError("x")
    except KeyError:
        get_logger("weft.test").exception("bug")
    assert len(stream.getvalue().splitlines()) > 3


class FullDisk(io.StringIO):
    """A log file on a disk without room."""

    full = True

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_that_cannot_be_written_stops_nothing(as_json: bool) -> None:
    """The disk with the log is full: the server goes on, and says later how much is missing."""
    stream = FullDisk()
    set_up_logging("info", json=as_json, stream=stream)
    log = get_logger("weft.test")
    log.error("commit_failed")
    log.error("commit_failed")
    assert stream.getvalue() == ""
    stream.full = False
    log.info("device_added")
    log.info("device_added")
    first, *rest = stream.getvalue().splitlines()
    assert "log_lines_lost" in first
    assert "2" in first
    assert ["device_added" in line for line in rest] == [True, True]
    if as_json:
        assert json.loads(first)["count"] == 2
