"""What a connection owes the limiter, and when it has to wait."""

import pytest
from tests.transports.mqtt.support import APP

from weft.security.limits import Limiter, LimitSettings, Rate
from weft.supervision import FakeClock
from weft.transports.mqtt.dues import BYTES_AT_ONCE, MESSAGES_AT_ONCE, Dues


def made(**limits: Rate) -> tuple[Dues, FakeClock]:
    clock = FakeClock()
    return Dues(Limiter(clock, LimitSettings(**limits))), clock


def test_nothing_is_due_at_first() -> None:
    dues, _ = made()
    assert not dues.are_large
    assert dues.pay(APP) == 0


@pytest.mark.parametrize(
    ("messages", "size", "large"),
    [
        (MESSAGES_AT_ONCE - 1, BYTES_AT_ONCE - 1, False),
        (MESSAGES_AT_ONCE, 0, True),
        (0, BYTES_AT_ONCE, True),
    ],
)
def test_the_limiter_is_asked_for_many_at_once(messages: int, size: int, large: bool) -> None:
    """Either many messages or many bytes: pings and large payloads count as well."""
    dues, _ = made()
    dues.messages, dues.bytes = messages, size
    assert dues.are_large is large


def test_who_is_over_the_rate_waits_and_then_pays_everything() -> None:
    """The clock is turned by what was asked for, and no more is needed."""
    dues, clock = made(principal_messages=Rate(64, 64))
    dues.messages = 64
    assert dues.pay(APP) == 0
    dues.messages = 32
    wait_s = dues.pay(APP)
    assert wait_s == pytest.approx(0.5)
    assert dues.messages == 32
    clock.turn(wait_s)
    assert dues.pay(APP) == 0
    assert dues.messages == 0


def test_messages_are_not_paid_for_twice_when_bytes_have_to_wait() -> None:
    """The first bucket was charged; only the second is asked again."""
    rate = Rate(2 * BYTES_AT_ONCE, BYTES_AT_ONCE)
    dues, clock = made(principal_messages=Rate(0.001, 40), principal_bytes=rate)
    dues.bytes = BYTES_AT_ONCE
    assert dues.pay(APP) == 0
    dues.messages, dues.bytes = 40, BYTES_AT_ONCE
    assert dues.pay(APP) == pytest.approx(0.5)
    assert dues.messages == 0
    clock.turn(0.5)
    assert dues.pay(APP) == 0
    assert dues.bytes == 0


def test_small_change_is_not_asked_for() -> None:
    """A thousand quiet devices cost the limiter nothing."""
    dues, _ = made()
    dues.messages, dues.bytes = 40, 100
    assert dues.pay(APP) == 0
    assert (dues.messages, dues.bytes) == (0, 100)
