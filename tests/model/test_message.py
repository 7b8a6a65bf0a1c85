"""Messages: positions without gaps, and values that the hot path can share."""

import msgspec

from weft.model.ids import TenantId
from weft.model.message import Batch, Committed, Envelope, Operation, PublishProperties, Route

ROUTE = Route(TenantId("main"), "device", "pump-7", "devices/pump-7/telemetry", Operation.TELEMETRY)


def test_positions_of_a_batch_follow_one_another() -> None:
    """The first is given by the journal; the rest are counted."""
    envelopes = [Envelope(ROUTE, at, b"{}") for at in range(3)]
    assert Committed(41, envelopes, [[], [], []]).last == 43


def test_a_route_is_known_by_itself_not_by_what_it_says() -> None:
    """Caches of the hot path look it up without comparing seven texts."""
    twin = msgspec.structs.replace(ROUTE)
    assert twin != ROUTE
    assert len({ROUTE, twin}) == 2


def test_batches_share_no_lists() -> None:
    """A message is in one batch."""
    one, two = Batch(), Batch()
    one.envelopes.append(Envelope(ROUTE, 1, b""))
    assert not two.envelopes


def test_an_operation_keeps_its_number_for_ever() -> None:
    """The journal holds numbers; a change here would change what old messages ask for."""
    assert {operation.name: operation.value for operation in Operation} == {
        "PLAIN": 0,
        "TELEMETRY": 1,
        "REPORTED": 2,
        "EVENT": 3,
        "COMMAND_RESULT": 4,
        "REJECTED": 5,
        "COMMAND": 6,
        "DESIRED": 7,
        "DIALECT": 8,
    }


def test_properties_are_compared_by_what_they_say() -> None:
    """They travel from publisher to subscriber unchanged."""
    one = PublishProperties(content_type="text/plain", user_properties=(("a", "b"), ("a", "c")))
    assert one == PublishProperties(
        content_type="text/plain", user_properties=(("a", "b"), ("a", "c"))
    )
