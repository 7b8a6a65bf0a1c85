"""Receivers: what a status means, and how one is asked whether we are welcome."""

import pytest
from tests.connectors.farside import Reply, far_side
from tests.connectors.support import LOOPBACK

from weft.connectors.events.receiver import End, Receiver, verdict_of
from weft.errors import ConnectorError
from weft.security.outbound import Answer, OutboundClient


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (200, End.TAKEN), (202, End.TAKEN), (204, End.TAKEN),
        (410, End.GONE),
        (400, End.REFUSED), (415, End.REFUSED), (422, End.REFUSED),
        (401, End.AGAIN), (403, End.AGAIN), (404, End.AGAIN), (408, End.AGAIN),
        (429, End.AGAIN), (500, End.AGAIN), (503, End.AGAIN),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, end: End) -> None:
    """What may pass is tried again; what says no to this event is not."""
    assert verdict_of(Answer(status, {}, b"")).end is end


def test_retry_after_is_heard() -> None:
    """429 with a time is not asked before."""
    assert verdict_of(Answer(429, {"retry-after": "90"}, b"")).retry_after_s == 90.0


@pytest.mark.parametrize(
    ("status", "headers", "interval_s"),
    [
        (200, {"WebHook-Allowed-Origin": "*"}, 0.0),
        (204, {"WebHook-Allowed-Origin": "weft.example", "WebHook-Allowed-Rate": "60"}, 1.0),
        (200, {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "many"}, 0.0),
        (200, {}, None),
        (200, {"WebHook-Allowed-Origin": "other.example"}, None),
        (405, {"WebHook-Allowed-Origin": "*"}, None),
    ],
)
async def test_welcome_is_what_the_receiver_says(
    status: int, headers: dict[str, str], interval_s: float | None
) -> None:
    """Silence is no consent (HTTP Web Hooks, 4)."""
    async with far_side(lambda _a: Reply(status, b"", headers)) as side:
        receiver = Receiver(OutboundClient(LOOPBACK), side.url, "weft.example", 1.0)
        if interval_s is None:
            with pytest.raises(ConnectorError):
                await receiver.ask()
        else:
            assert (await receiver.ask()).interval_s == interval_s
