import pytest
from tests.security.support import ADMIN, MAIN, OTHER, PEER, World

from weft.errors import QuotaExceeded
from weft.model.principal import Principal, PrincipalKind
from weft.security.connections import ENDED_MAX, Connection, Connections, ConnectionSettings
from weft.supervision import FakeClock


def test_rv_1_all_connections_of_a_principal_are_cut_at_once(world: World) -> None:
    """Two MQTT clients and a stream of one user; another's stays."""
    held = [world.connect(ADMIN) for _ in range(3)]
    other, kept = world.connect(Principal(MAIN, PrincipalKind.USER, "bob", "uid-bob"))
    assert world.connections.cut(ADMIN.uid, "because") == 3
    assert [cuts for _, cuts in held] == [["because"]] * 3
    assert kept == []
    assert [*world.connections.of_tenant(MAIN)] == [other]
    assert not world.connections.is_connected(ADMIN.uid)


def test_rv_1_a_broken_transport_does_not_save_the_others(world: World) -> None:
    """One of them raises while it is cut."""

    def broken(_reason: str) -> None:
        raise RuntimeError

    world.connections.register(Connection(ADMIN, "mqtt", PEER, broken))
    _, cuts = world.connect(ADMIN)
    assert world.connections.cut(ADMIN.uid, "because") == 2
    assert cuts == ["because"]


def test_a_connection_that_unregisters_while_it_is_cut_is_no_trouble(world: World) -> None:
    """Transports do so from their own closing."""
    connection = Connection(ADMIN, "mqtt", PEER, lambda _: world.connections.unregister(connection))
    world.connections.register(connection)
    assert world.connections.cut(ADMIN.uid, "because") == 1
    world.connections.unregister(connection)
    assert world.connections.count() == 0


def test_au_9_a_connection_ends_with_the_credential_that_opened_it(world: World) -> None:
    """A certificate with sixty seconds left."""
    now = world.clock.now()
    _, early = world.connect(ADMIN, expires_at=now + 60 * 10**9)
    _, late = world.connect(ADMIN, expires_at=now + 120 * 10**9)
    _, never = world.connect(ADMIN)
    gone, _ = world.connect(ADMIN, expires_at=now + 60 * 10**9)
    world.connections.unregister(gone)
    assert world.connections.cut_expired() == 0
    world.clock.turn(60)
    assert world.connections.cut_expired() == 1
    assert (early, late, never) == (["the credential has expired"], [], [])


def test_a_principal_and_a_tenant_hold_so_many_and_no_more() -> None:
    """The first connection too many is refused; one that ends makes room."""
    connections = Connections(FakeClock(), ConnectionSettings(per_principal=2, per_tenant=3))
    bob = Principal(MAIN, PrincipalKind.USER, "bob", "uid-bob")
    eve = Principal(MAIN, PrincipalKind.USER, "eve", "uid-eve")
    stranger = Principal(OTHER, PrincipalKind.USER, "bob", "uid-other")

    def connect(principal: Principal) -> Connection:
        return connections.register(Connection(principal, "mqtt", PEER, lambda _: None))

    first = connect(bob)
    connect(bob)
    with pytest.raises(QuotaExceeded):
        connect(bob)
    connect(eve)
    with pytest.raises(QuotaExceeded):
        connect(Principal(MAIN, PrincipalKind.USER, "kim", "uid-kim"))
    assert not connections.is_connected("uid-kim")
    connect(stranger)
    connections.unregister(first)
    connect(eve)
    assert (connections.count(), connections.count(MAIN), connections.count(OTHER)) == (4, 3, 1)


def test_tn_2_one_connection_is_cut_by_number_within_its_tenant_only(world: World) -> None:
    """An operator's click; another tenant's operator finds nothing to click."""
    connection, cuts = world.connect(ADMIN)
    assert not world.connections.cut_one(OTHER, connection.number, "click")
    assert world.connections.cut_one(MAIN, connection.number, "click")
    assert not world.connections.cut_one(MAIN, connection.number, "click")
    assert cuts == ["click"]
    assert [*world.connections.of_tenant(OTHER)] == []


def test_a_connection_tells_who_since_when_and_how_much(world: World) -> None:
    """For the live view of operators."""
    connection, _ = world.connect(ADMIN, counters=lambda: {"messages_in": 7})
    assert connection.since == world.clock.now()
    assert connection.counters() == {"messages_in": 7}
    assert world.connect(ADMIN)[0].counters() == {}
    assert len(world.connections.of_principal(ADMIN.uid)) == 2
    assert world.connections.of_principal("nobody") == []


def test_a_tenant_is_held_to_its_own_quota_of_connections() -> None:
    """The platform allows many; this tenant bought two."""
    connections = Connections(FakeClock(), ConnectionSettings())
    connections.set_quota(MAIN, 2)
    for number in range(2):
        bob = Principal(MAIN, PrincipalKind.USER, "bob", f"uid-{number}")
        connections.register(Connection(bob, "mqtt", PEER, lambda _reason: None))
    with pytest.raises(QuotaExceeded):
        connections.register(Connection(ADMIN, "mqtt", PEER, lambda _reason: None))
    eve = Principal(OTHER, PrincipalKind.USER, "eve", "uid-eve")
    connections.register(Connection(eve, "mqtt", PEER, lambda _reason: None))


def test_what_has_ended_leaves_nothing_behind_until_its_certificate_ends() -> None:
    """A device with a certificate of a year comes back every minute; memory does not grow."""
    connections = Connections(FakeClock())
    for _ in range(10 * ENDED_MAX):
        held = connections.register(
            Connection(ADMIN, "mqtts", PEER, lambda _: None, expires_at=2**62)
        )
        connections.unregister(held)
    assert len(connections._expiring) <= ENDED_MAX + 1
