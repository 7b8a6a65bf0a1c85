"""One reader's queue."""

from weft.api.streams import QUEUE_MAX_BYTES, Filter, Stream, frame
from weft.model.ids import TenantId
from weft.model.message import Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Decision

MAIN = TenantId("main")
VERA = Principal(MAIN, PrincipalKind.USER, "vera", "uid-vera")


class Counting:
    """Allows everything, and counts how often it is asked."""

    def __init__(self) -> None:
        self.version = 1
        self.asked = 0

    def decide(self, _principal: Principal, _action: str, _target: str) -> Decision:
        self.asked += 1
        return Decision(allowed=True, reason="", version=self.version)


def route(tenant: str = "main", operation: Operation = Operation.TELEMETRY) -> Route:
    return Route(TenantId(tenant), "device", "p", "devices/p/telemetry", operation)


def test_a_route_is_judged_once_a_version() -> None:
    """A thousand messages ask the policy as often as one; a change asks again (AZ-4)."""
    policy = Counting()
    stream = Stream(VERA, Filter(), policy, queue=5)
    same = route()
    for _ in range(1000):
        assert stream.wants_route(same)
    asked = policy.asked
    policy.version = 2
    assert stream.wants_route(same)
    assert policy.asked == 2 * asked


def test_other_tenants_and_plain_topics_are_not_wanted() -> None:
    """Whatever the policy says."""
    stream = Stream(VERA, Filter(), Counting(), queue=5)
    assert not stream.wants_route(route("other"))
    assert not stream.wants_route(route(operation=Operation.PLAIN))


def test_an_event_is_written_as_html_says() -> None:
    """id, event, data, and an empty line."""
    assert frame("alarm", 7, b"{}") == b"id: 7\nevent: alarm\ndata: {}\n\n"


async def test_silence_is_broken_by_a_comment() -> None:
    """So that no proxy closes the stream; and the end is the last word."""
    stream = Stream(VERA, Filter(), Counting(), queue=5)
    events = stream.events(0.001)
    assert (await anext(events)).startswith(b":")
    stream.close("over")
    assert b'"reason":"over"' in await anext(events)


def test_a_slow_reader_holds_a_bounded_amount_of_memory() -> None:
    """A thousand large messages are as many as it may lag behind, and far too much."""
    stream = Stream(VERA, Filter(), Counting(), queue=1_000)
    large = b"x" * (QUEUE_MAX_BYTES // 4)
    for position in range(100):
        stream.put(position, large)
    taken = stream._take()
    assert taken.count(large) == 4
    assert b'"missed":96' in taken
    stream.put(100, large)
    assert stream._take() == large
