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


def set_up_logging(
    level: str = "info", *, json: bool = False, stream: TextIO | None = None
) -> None:
    """Send all logs to `stream` (standard error), as lines for people or as JSON lines."""
    out = stream or sys.stderr
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
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=out, force=True)
