import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.api.support import MAIN, OTHER, World
from tests.security.customer_ca import CustomerCa, der_of

from weft.errors import AlreadyExists, Invalid, NotFound, Unauthenticated
from weft.model.device import Lifecycle
from weft.model.principal import Principal, PrincipalKind
from weft.registry import arrivals as module
from weft.registry.devices import NewDevice
from weft.security import authentication
from weft.security.authorities import AuthorityPatch, CustomerAuthority, NewAuthority
from weft.security.certificates import pem_of
from weft.security.connections import Connection
from weft.security.limits import Rate, SubjectLimiter

ADMIN = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
RIVAL = Principal(OTHER, PrincipalKind.USER, "rita", "uid-rita")
PEER = "192.0.2.7:40001"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def acme(world: World) -> CustomerCa:
    return CustomerCa(at_s=world.clock.now() / 1e9)


async def registered(
    world: World, ca: CustomerCa, actor: Principal = ADMIN, **more: object
) -> CustomerAuthority:
    made = await world.authorities.register(actor, NewAuthority(ca.pem, **more))  # type: ignore[arg-type]
    return await world.authorities.prove(actor, made.authority_id, ca.proof(made.nonce))


def refused(world: World, der: bytes) -> None:
    with pytest.raises(Unauthenticated):
        world.authenticator.prove_certificate(der, PEER)


async def written(world: World) -> None:
    """Let what was met be written."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(world.arrivals.run())
        async with asyncio.timeout(20):
            while world.arrivals._queue.qsize():  # noqa: ASYNC110  it sets no event
                await asyncio.sleep(0.01)
        for _ in range(50):  # the last one taken is being written in memory
            await asyncio.sleep(0)
        task.cancel()


def reasons(world: World, name: str) -> list[str]:
    return [one.reason for one in world.authenticator.attempts.of_device(MAIN, name)]


async def test_pr_4_an_unknown_device_of_a_registered_authority_lands_in_pending(
    world: World, acme: CustomerCa
) -> None:
    """Refused the first time, then heard and no more, until somebody lets it in."""
    authority = await registered(world, acme)
    leaf = der_of(acme.sign("gate-1"))
    refused(world, leaf)
    await written(world)
    device = world.devices.get(MAIN, "gate-1")
    assert device.lifecycle is Lifecycle.PENDING
    assert device.origin == f"authority:{authority.authority_id}"
    assert device.attributes == {"first_seen_from": PEER}
    assert "pending" in reasons(world, "gate-1")[0]
    waiting = world.authenticator.prove_certificate(leaf, PEER).principal
    for action, target in (
        ("topic.publish", "topic:devices/gate-1/telemetry"),
        ("topic.subscribe", "topic:devices/gate-1/commands/+/+"),
        ("device.read", "device:gate-1"),
    ):
        assert not world.policy.decide(waiting, action, target).allowed
    await world.devices.move(ADMIN, "gate-1", Lifecycle.ACTIVE)
    proof = world.authenticator.prove_certificate(leaf, PEER)
    assert (proof.principal.tenant, proof.principal.uid) == (MAIN, device.uid)


async def test_a_bug_of_ours_costs_one_first_contact(
    world: World, acme: CustomerCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weft goes on, and takes in the next one."""
    await registered(world, acme)
    take_in = world.arrivals.take_in

    async def broken_once(arrival: module._Arrival) -> object:
        if arrival.name == "gate-1":
            raise ZeroDivisionError
        return await take_in(arrival)

    monkeypatch.setattr(world.arrivals, "take_in", broken_once)
    for name in ("gate-1", "gate-2"):
        refused(world, der_of(acme.sign(name)))
    await written(world)
    assert world.devices.find(MAIN, "gate-1") is None
    assert world.devices.find(MAIN, "gate-2") is not None


@pytest.mark.parametrize("end", ["revoked", "suspended", "authority off", "authority gone"])
async def test_pr_4_who_waits_or_was_let_in_is_refused_once_the_right_ends(
    world: World, acme: CustomerCa, end: str
) -> None:
    """Being heard is not for whom the owner has put out of use, nor without the authority."""
    authority = await registered(world, acme)
    leaf = der_of(acme.sign("gate-1"))
    refused(world, leaf)
    await written(world)
    principal = world.authenticator.prove_certificate(leaf, PEER).principal
    cuts: list[str] = []
    world.connections.register(Connection(principal, "mqtts", PEER, cuts.append))
    if end == "suspended":  # only a device that was let in is
        await world.devices.move(ADMIN, "gate-1", Lifecycle.ACTIVE)
    if end in {"suspended", "revoked"}:
        await world.devices.move(ADMIN, "gate-1", Lifecycle(end))
    elif end == "authority off":
        off = AuthorityPatch(enabled=False)
        await world.authorities.update(ADMIN, authority.authority_id, off)
    else:
        await world.authorities.delete(ADMIN, authority.authority_id)
    assert len(cuts) == 1
    refused(world, leaf)


async def test_au_9_what_it_opens_ends_with_its_certificate(world: World, acme: CustomerCa) -> None:
    """Also where its owner renews the certificate for the same key."""
    await registered(world, acme, auto_approve=True)
    key = ec.generate_private_key(ec.SECP256R1())
    first, second = (der_of(acme.sign("gate-1", key, days=days)) for days in (1, 30))
    refused(world, first)
    await written(world)
    assert world.devices.get(MAIN, "gate-1").lifecycle is Lifecycle.ACTIVE
    ends = [world.authenticator.prove_certificate(der, PEER).expires_at for der in (first, second)]
    now = world.clock.now()
    assert ends == [now + days * 86_400 * 10**9 for days in (1, 30)]
    world.clock.turn(86_400)
    refused(world, first)
    assert world.authenticator.prove_certificate(second, PEER)


async def test_id_2_the_same_name_with_another_key_is_a_conflict(
    world: World, acme: CustomerCa
) -> None:
    """Nothing changes, the owner is told, and only an owner's act binds the new key."""
    await registered(world, acme, auto_approve=True)
    first, second = der_of(acme.sign("gate-1")), der_of(acme.sign("gate-1"))
    refused(world, first)
    await written(world)
    for _ in range(5):
        refused(world, second)
    await written(world)
    assert "another key" in reasons(world, "gate-1")[0]
    assert world.authenticator.prove_certificate(first, PEER)
    noted = [one.value for one in await world.audit.list_records(MAIN)]
    assert len([one for one in noted if "refused" in (one.detail or {})]) == 1

    await world.arrivals.bind(ADMIN, "gate-1", second)
    for der in (first, second):
        assert world.authenticator.prove_certificate(der, PEER).principal.id == "gate-1"


async def test_id_4_a_device_of_ours_is_not_taken_over_by_a_name(
    world: World, acme: CustomerCa
) -> None:
    """The authority signs CN=pump-7; that pump has a secret and no certificate of theirs."""
    await registered(world, acme, auto_approve=True)
    secret = await world.device("pump-7")
    refused(world, der_of(acme.sign("pump-7")))
    await written(world)
    refused(world, der_of(acme.sign("pump-7")))
    assert world.authenticator.prove_bearer(secret, PEER)
    device = world.devices.get(MAIN, "pump-7")
    assert len(await world.credentials.list_credentials(device)) == 1


async def test_id_4_the_tenant_is_that_of_the_authority(world: World, acme: CustomerCa) -> None:
    """The certificate says what it likes: names of tenants, URIs of ours."""
    await registered(world, acme, RIVAL, auto_approve=True)
    device = await world.devices.create(ADMIN, NewDevice("pump-7"))
    uri = f"urn:weft:main:device:{device.uid}"
    refused(world, der_of(acme.sign("pump-7", uris=(uri,))))
    await written(world)
    assert world.devices.find(OTHER, "pump-7") is not None
    assert world.devices.get(MAIN, "pump-7").uid == device.uid


@pytest.mark.parametrize("name", ["", "#", "a/b", "me", "x" * 63 + "/", "$SYS", "é", "a b"])
async def test_mq_3_a_name_that_cannot_be_one_makes_no_device(
    world: World, acme: CustomerCa, name: str
) -> None:
    """Wildcards, slashes, the word for oneself."""
    await registered(world, acme)
    refused(world, der_of(acme.sign(name or " ")))
    await written(world)
    assert await world.devices.list(MAIN) == []


async def test_mq_1_a_certificate_for_something_else_makes_no_device(
    world: World, acme: CustomerCa
) -> None:
    """For servers; the owner reads what it has to be signed for."""
    await registered(world, acme)
    refused(world, der_of(acme.sign("gate-1", usage=(ExtendedKeyUsageOID.SERVER_AUTH,))))
    await written(world)
    assert await world.devices.list(MAIN) == []
    (found,) = world.authenticator.attempts.of_device(MAIN, "(unnamed)")
    assert "not for client authentication" in found.reason
    assert "clientAuth" in found.remedy


async def test_mq_1_a_factorys_certificate_that_states_no_use_makes_a_device(
    world: World, acme: CustomerCa
) -> None:
    """Without extendedKeyUsage its use is not restricted (RFC 5280 4.2.1.12)."""
    await registered(world, acme, auto_approve=True)
    leaf = der_of(acme.sign("gate-1", usage=()))
    refused(world, leaf)
    await written(world)
    assert world.authenticator.prove_certificate(leaf, PEER).principal.id == "gate-1"


async def test_rv_1_disabling_an_authority_cuts_its_devices(world: World, acme: CustomerCa) -> None:
    """At once, and until it is enabled again; a device that has a secret too may use that."""
    authority = await registered(world, acme, auto_approve=True)
    leaf = der_of(acme.sign("gate-1"))
    refused(world, leaf)
    await written(world)
    principal = world.authenticator.prove_certificate(leaf, PEER).principal
    cuts: list[str] = []
    world.connections.register(Connection(principal, "mqtts", PEER, cuts.append))
    await world.authorities.update(ADMIN, authority.authority_id, AuthorityPatch(enabled=False))
    assert cuts == ["the authority of its certificate is trusted no more"]
    refused(world, leaf)
    await world.authorities.update(ADMIN, authority.authority_id, AuthorityPatch(enabled=True))
    assert world.authenticator.prove_certificate(leaf, PEER)


async def test_id_1_a_deleted_devices_key_does_not_come_back(
    world: World, acme: CustomerCa
) -> None:
    """Its owner deleted it; the thing in the field still calls."""
    await registered(world, acme)
    leaf = der_of(acme.sign("gate-1"))
    refused(world, leaf)
    await written(world)
    await world.devices.delete(ADMIN, "gate-1")
    refused(world, leaf)
    await written(world)
    assert world.devices.find(MAIN, "gate-1") is None


async def test_a_flood_of_new_devices_ends_at_a_number(
    world: World, acme: CustomerCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stolen authority key fills neither disk nor queue."""
    monkeypatch.setattr(module, "PENDING_MAX", 3)
    await registered(world, acme)
    for number in range(6):
        refused(world, der_of(acme.sign(f"gate-{number}")))
    await written(world)
    assert len(await world.devices.list(MAIN)) == 3


async def test_a_certificate_is_bound_before_its_device_comes(
    world: World, acme: CustomerCa
) -> None:
    """The list of serials came ahead of the pallet, each with a signing request of the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf, request = der_of(acme.sign("whatever", key)), acme.request("gate-1", key)
    await world.devices.create(ADMIN, NewDevice("gate-1"))
    with pytest.raises(Invalid, match="No active authority"):
        await world.arrivals.bind(ADMIN, "gate-1", leaf, request)
    await registered(world, acme)
    await world.arrivals.bind(ADMIN, "gate-1", leaf, request)
    assert world.authenticator.prove_certificate(leaf, PEER).principal.id == "gate-1"
    await world.devices.create(ADMIN, NewDevice("gate-2"))
    with pytest.raises(AlreadyExists):
        await world.arrivals.bind(ADMIN, "gate-2", leaf, acme.request("gate-2", key))
    with pytest.raises(NotFound):
        await world.arrivals.bind(RIVAL, "gate-1", leaf, request)


async def test_id_2_a_key_that_nobody_has_shown_to_hold_is_not_bound(
    world: World, acme: CustomerCa
) -> None:
    """A certificate is public: whoever has a copy of it cannot bind its key to a device."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    leaf = der_of(acme.sign("pump-9", key))
    await world.devices.create(ADMIN, NewDevice("gate-1"))
    await registered(world, acme)
    for request, why in (
        ("", "Nobody has shown"),
        (acme.request("gate-1", other), "another key"),
        (acme.request("gate-2", key), "not for 'gate-1'"),
        (pem_of(acme.sign("gate-1", key)), "cannot be read"),
    ):
        with pytest.raises(Invalid, match=why):
            await world.arrivals.bind(ADMIN, "gate-1", leaf, request)
    device = world.devices.get(MAIN, "gate-1")
    assert await world.credentials.list_credentials(device) == []


async def test_id_2_a_key_that_a_connection_has_proven_is_bound(
    world: World, acme: CustomerCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS let it speak, so it holds the key; what came too long ago is not remembered."""
    monkeypatch.setattr(module, "PROVEN_MAX", 2)
    await registered(world, acme)
    await world.devices.create(ADMIN, NewDevice("gate-1"))
    leaves = [der_of(acme.sign("gate-1")) for _ in range(3)]
    for leaf in leaves:
        refused(world, leaf)
    with pytest.raises(Invalid, match="Nobody has shown"):
        await world.arrivals.bind(ADMIN, "gate-1", leaves[0])
    await world.arrivals.bind(ADMIN, "gate-1", leaves[2])
    assert world.authenticator.prove_certificate(leaves[2], PEER).principal.id == "gate-1"


async def test_pr_4_a_first_contact_is_heard_once_it_is_written_down(
    world: World, acme: CustomerCa
) -> None:
    """Not refused once before: its first connection waits for the moment that it takes."""
    await registered(world, acme)
    leaf = der_of(acme.sign("gate-1"))
    first = asyncio.ensure_future(world.authenticator.prove_newcomer(leaf, PEER))
    again = asyncio.ensure_future(world.authenticator.prove_newcomer(leaf, PEER))
    await asyncio.sleep(0)
    assert world.arrivals._queue.qsize() == 1  # both wait for one
    await written(world)
    for proof in (await first, await again):
        assert proof.principal.id == "gate-1"
    assert world.devices.get(MAIN, "gate-1").lifecycle is Lifecycle.PENDING
    publish = ("topic.publish", "topic:devices/gate-1/telemetry")
    assert not world.policy.decide((await first).principal, *publish).allowed
    assert (await world.authenticator.prove_newcomer(leaf, PEER)).principal.id == "gate-1"


async def test_pr_4_whoever_is_not_written_down_in_time_is_refused_and_comes_again(
    world: World, acme: CustomerCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is stuck: no connection is held for longer than it may be."""
    monkeypatch.setattr(authentication, "ARRIVAL_S", 0.0)
    await registered(world, acme)
    leaf = der_of(acme.sign("gate-1"))
    with pytest.raises(Unauthenticated):
        await world.authenticator.prove_newcomer(leaf, PEER)
    assert "comes again" in reasons(world, "gate-1")[0]
    await written(world)
    assert (await world.authenticator.prove_newcomer(leaf, PEER)).principal.id == "gate-1"


async def test_pr_4_first_contacts_of_an_authority_come_at_a_bounded_rate(
    world: World, acme: CustomerCa
) -> None:
    """A stolen key makes neither the queue of others full nor the disk busy."""
    world.arrivals._rates = SubjectLimiter(Rate(per_s=1, burst=3), world.clock.now)
    await registered(world, acme, auto_approve=True)
    leaves = [der_of(acme.sign(f"gate-{number}")) for number in range(5)]
    for leaf in leaves:
        refused(world, leaf)
    await written(world)
    assert len(await world.devices.list(MAIN)) == 3
    assert "too many devices" in reasons(world, "gate-4")[0]
    assert world.authenticator.arrival_of(leaves[4], PEER) is None  # nothing to wait for
    world.clock.turn(1)
    assert world.authenticator.arrival_of(leaves[4], PEER) is not None
    await written(world)
    assert len(await world.devices.list(MAIN)) == 4


async def test_who_is_no_new_device_waits_for_nothing(world: World, acme: CustomerCa) -> None:
    """A stranger's certificate, a name that is another's, a key that was revoked."""
    stranger = der_of(CustomerCa(at_s=world.clock.now() / 1e9).sign("gate-9"))
    assert world.authenticator.arrival_of(stranger, PEER) is None
    await registered(world, acme)
    await world.devices.create(ADMIN, NewDevice("gate-1"))
    assert world.authenticator.arrival_of(der_of(acme.sign("gate-1")), PEER) is None
    assert world.authenticator.arrival_of(der_of(acme.sign("a/b")), PEER) is None
    leaf = der_of(acme.sign("gate-2"))
    refused(world, leaf)
    await written(world)
    await world.devices.move(ADMIN, "gate-2", Lifecycle.REVOKED)
    assert world.authenticator.arrival_of(leaf, PEER) is None
