"""The directory of sessions and the caps of one principal."""

import pytest
from tests.broker.support import ALICE, BOB, OTHER, BrokerSettings, Station, principal

from weft.broker.directory import Directory
from weft.errors import QuotaExceeded


async def test_mq2_a_session_belongs_to_tenant_principal_and_client_id() -> None:
    """MQ-2: the same client id of three principals is three sessions."""
    station = Station()
    sessions = {
        (await station.connect(who, "same", expiry_s=60))[0].key
        for who in (ALICE, BOB, principal("alice", OTHER))
    }

    assert len(sessions) == 3


async def test_mq8_stored_sessions_of_a_principal_are_capped() -> None:
    """MQ-8: 1,000 random client ids leave four sessions, the youngest."""
    station = Station()
    for i in range(1000):
        session, link = await station.connect(ALICE, f"random-{i:04d}", expiry_s=3600)
        station.clock.turn(1)
        station.broker.detach(session, link, will_wanted=False)

    kept = [one.client_id for one in station.broker.list_sessions(ALICE.tenant)]
    assert kept == [f"random-{i:04d}" for i in range(996, 1000)]


async def test_mq8_live_persistent_sessions_are_not_thrown_out_but_the_next_is_refused() -> None:
    """MQ-8: four connected gateways are worth more than a fifth that wants to be."""
    station = Station()
    for i in range(4):
        await station.connect(ALICE, f"c{i}", expiry_s=60)

    with pytest.raises(QuotaExceeded) as caught:
        await station.connect(ALICE, "c4", expiry_s=60)

    assert "sessions_per_principal" in caught.value.remedy
    await station.connect(ALICE, "c4", expiry_s=0)
    await station.connect(ALICE, "c0", expiry_s=60)
    await station.connect(BOB, "c4", expiry_s=60)


async def test_who_is_gone_is_forgotten_everywhere() -> None:
    """No index keeps what another one lost."""
    station = Station()
    directory = Directory(BrokerSettings())
    session, _ = await station.connect()
    directory.add(session)

    directory.remove(session)

    assert len(directory) == 0
    assert directory.find(ALICE, "c") is None
    assert directory.of(ALICE.uid) == []
    assert directory._by_principal == {}


async def test_sessions_expire_by_their_own_time() -> None:
    """One minute and two minutes away."""
    station = Station()
    for name, expiry_s in (("short", 60), ("long", 120)):
        session, link = await station.connect(ALICE, name, expiry_s=expiry_s)
        station.broker.detach(session, link, will_wanted=False)
    station.clock.turn(60)

    await station.broker.sweep(station.clock.now())

    assert [one.client_id for one in station.broker.list_sessions(ALICE.tenant)] == ["long"]
