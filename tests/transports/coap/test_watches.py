"""Watches: found by device, by session and by registration; gone when they have ended."""

from types import SimpleNamespace
from typing import Any, cast

from weft.model.ids import DeviceId, TenantId
from weft.transports.coap.paths import Kind
from weft.transports.coap.watches import Watch, Watches

MAIN, PUMP = TenantId("main"), DeviceId("pump-7")


def watch_of(session: Any, kind: Kind = Kind.DESIRED) -> Watch:
    observation: Any = SimpleNamespace(request=SimpleNamespace(accept=None))
    return Watch(Hashable(observation), session, kind, PUMP)  # type: ignore[arg-type]


class Hashable:
    """A registration as the endpoint has them: compared by identity."""

    def __init__(self, of: Any) -> None:
        self.request = of.request


def session_of() -> Any:
    return cast(
        "Any", SimpleNamespace(gate=SimpleNamespace(principal=SimpleNamespace(tenant=MAIN)))
    )


def test_a_watch_is_found_until_it_ends() -> None:
    """By its device and kind, and by its session."""
    one, other = session_of(), session_of()
    watches = Watches()
    desired, commands = watch_of(one), watch_of(other, Kind.COMMANDS)
    watches.add(desired)
    watches.add(commands)
    assert list(watches.of(MAIN, PUMP, Kind.DESIRED)) == [desired]
    assert watches.of_session(other) == [commands]
    assert list(watches.of(MAIN, DeviceId("pump-8"), Kind.DESIRED)) == []
    assert watches.find(commands.observation) is commands
    for watch in (desired, commands):
        watches.remove(watch.observation)
        watches.remove(watch.observation)
    assert len(watches) == 0
    assert watches.find(commands.observation) is None


def test_a_renewed_registration_takes_the_place_of_the_one_before() -> None:
    """The same object of the endpoint."""
    session, watches = session_of(), Watches()
    first = watch_of(session)
    renewed = Watch(first.observation, session, Kind.DESIRED, PUMP)
    watches.add(first)
    watches.add(renewed)
    assert list(watches.of(MAIN, PUMP, Kind.DESIRED)) == [renewed]
    assert len(watches) == 1
