"""Logging: one line an event, named, with fields.

INFO: an operator's act took effect. WARNING: a peer misbehaved, nothing was lost. ERROR:
data was lost or someone must act. DEBUG: the rest. Control characters in fields are
escaped, so that a device's name cannot forge a line (AL-1).
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module; call it with an event name and fields."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(module=name))


def escape_controls(text: str) -> str:
    """Make one printable line of any text (C0, C1, U+2028 and U+2029 become escapes)."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def _escape_fields(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        key: escape_controls(value) if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }


class LineWriter:
    """Writes lines to a stream that may fail, as a log on a full disk: a line is then lost.

    What was to be logged goes on all the same; how many lines were lost is said by the first
    line that can be written again.
    """

    def __init__(self, stream: TextIO, *, json: bool) -> None:
        self._stream = stream
        self._note = _LOST_JSON if json else _LOST
        self._failed = False
        self._lost = 0

    def write(self, text: str) -> int:
        """Write part of a line."""
        try:
            if self._lost and not self._failed:
                self._stream.write(self._note % self._lost)
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
        except OSError:
            self._failed = True
        return len(text)

    def flush(self) -> None:
        """End a line."""
        try:
            self._stream.flush()
        except OSError:
            self._failed = True
        self._lost += self._failed
        self._failed = False


_LOST = "log_lines_lost count=%d\n"
_LOST_JSON = '{"event":"log_lines_lost","level":"error","count":%d}\n'


def set_up_logging(
    level: str = "info", *, json: bool = False, stream: TextIO | None = None
) -> None:
    """Send all logs to `stream` (standard error), as lines for people or as JSON lines."""
    out = stream or sys.stderr
    writer = cast("TextIO", LineWriter(out, json=json))
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=28)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _escape_fields,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(writer),
    )
    logging.basicConfig(level=logging.WARNING, stream=writer, force=True)
