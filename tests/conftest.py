"""What holds for all tests: a busy machine is no fault of the code that it tests."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Who runs the tests in the background or behind nohup leaves them two signals that are
# ignored, and what tests start would inherit that: a server could not be told to end.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)

settings.register_profile(
    "weft",
    parent=settings(),  # the one of CI, where CI is set: the same examples each time
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("weft")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that a test ran in its own process sets up logs for all that comes after it."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
