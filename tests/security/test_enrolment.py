import asyncio
import zlib

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.security.support import MAIN, PEER, PEPPER, SYSTEM, World, device
from tests.security.test_certificates import request_for

from weft.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    PeerError,
    QuotaExceeded,
    Unauthenticated,
)
from weft.model.device import Device, Lifecycle
from weft.security.certificates import read_certificate, uri_of
from weft.security.enrolment import (
    ENROLMENTS,
    LIFE_S,
    PER_DEVICE_MAX,
    DevicePending,
    Enrolments,
)


def fresh(key: object | None = None) -> bytes:
    """A signing request for a new key."""
    return request_for(key or ec.generate_private_key(ec.SECP256R1())).encode()


@pytest.fixture
def enrolments(certified: World) -> Enrolments:
    return Enrolments(
        certified.records, certified.audit, certified.clock, PEPPER, certified.credentials
    )


def admitted(world: World, name: str = "pump-7") -> Device:
    """A device that the policy knows as active."""
    made = device(name)
    world.policy.set_device(made.tenant, made.uid, active=True)
    return made


async def test_pr_2_a_token_gives_one_certificate_for_the_devices_own_key(
    certified: World, enrolments: Enrolments
) -> None:
    """The key never leaves the device; what it asks for beyond the key is not read."""
    pump = admitted(certified)
    wished = x509.DNSName("somebody.example")
    key = ec.generate_private_key(ec.SECP256R1())
    request = request_for(key, x509.SubjectAlternativeName([wished])).encode()
    issued = await enrolments.issue(SYSTEM, pump)

    token = enrolments.prove(issued.text, PEER, certified.door)
    identity = await enrolments.enrol(token, pump, request)

    presented = read_certificate(identity.certificate.der)
    assert presented.uri == uri_of(MAIN, pump.uid)
    assert identity.certificate.private_key_pem is None
    assert certified.door.by_certificate(identity.certificate.der, PEER).uid == pump.uid
    with pytest.raises(Unauthenticated):
        enrolments.prove(issued.text, PEER, certified.door)


async def test_pr_2_the_token_is_kept_as_an_hmac_and_every_act_is_on_record(
    certified: World, enrolments: Enrolments
) -> None:
    """Neither records nor audit prove anything by themselves."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    await enrolments.enrol(issued.token, pump, fresh())
    stored = await certified.records.read(lambda r: r.get(ENROLMENTS, MAIN, issued.token.key_id))
    secret = issued.text.split("_")[2]
    assert secret not in msgspec.json.encode(stored.value).decode()
    assert stored.value.used_at == certified.clock.now()
    records = [one.value for one in await certified.audit.list_records(MAIN)]
    assert secret not in msgspec.json.encode(records).decode()
    assert [one.action for one in records].count("device.enrol") == 2
    assert secret not in repr(issued)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: b"nothing of the kind",
        lambda: fresh(rsa.generate_private_key(65_537, 1024)),
        lambda: request_for(
            ec.generate_private_key(ec.SECP256R1()), x509.BasicConstraints(True, None)
        ).encode(),
        lambda: fresh()[:-80] + fresh()[-80:],
    ],
)
async def test_pr_2_a_bad_request_does_not_burn_the_token(
    certified: World, enrolments: Enrolments, request_of: object
) -> None:
    """The technician mends the request on the spot and needs no new token."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    with pytest.raises(Invalid):
        await enrolments.enrol(issued.token, pump, request_of())  # type: ignore[operator]
    token = enrolments.prove(issued.text, PEER, certified.door)
    assert await enrolments.enrol(token, pump, fresh())


async def test_id_2_a_key_that_is_another_devices_does_not_enrol_and_burns_nothing(
    certified: World, enrolments: Enrolments
) -> None:
    """An image was cloned with its key; the second device is told to make its own."""
    request = fresh()
    first, second = admitted(certified), admitted(certified, "pump-8")
    await enrolments.enrol((await enrolments.issue(SYSTEM, first)).token, first, request)
    issued = await enrolments.issue(SYSTEM, second)
    with pytest.raises(AlreadyExists, match="bound to another device"):
        await enrolments.enrol(issued.token, second, request)
    token = enrolments.prove(issued.text, PEER, certified.door)
    assert await enrolments.enrol(token, second, fresh())


async def test_pr_3_of_many_who_use_a_token_at_once_one_wins(
    certified: World, enrolments: Enrolments
) -> None:
    """It was copied: whoever comes second gets nothing, and one certificate exists."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    token = enrolments.prove(issued.text, PEER, certified.door)

    async def attempt() -> bool:
        try:
            await enrolments.enrol(token, pump, fresh())
        except Unauthenticated:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(attempt()) for _ in range(20)]
    assert [one.result() for one in tries].count(True) == 1
    assert len(await certified.credentials.list_credentials(pump)) == 1


async def test_pr_1_a_token_is_good_for_a_day_and_for_nothing_else(
    certified: World, enrolments: Enrolments
) -> None:
    """It does not sign in anywhere; afterwards it is nothing at all."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    for prove in (
        lambda: certified.door.by_secret("pump-7", issued.text, PEER),
        lambda: certified.door.by_bearer(issued.text, PEER),
    ):
        with pytest.raises(Unauthenticated):
            prove()
    certified.clock.turn(LIFE_S)
    with pytest.raises(Unauthenticated):
        enrolments.prove(issued.text, PEER, certified.door)


async def test_a_token_is_its_devices_alone(certified: World, enrolments: Enrolments) -> None:
    """By another name it is refused; a namesake made later has no part in it (ID-1)."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    assert enrolments.prove(issued.text, PEER, certified.door, device_id="pump-7")
    with pytest.raises(Unauthenticated):
        enrolments.prove(issued.text, PEER, certified.door, device_id="pump-8")
    for other in (admitted(certified), None):
        with pytest.raises(Unauthenticated):
            await enrolments.enrol(issued.token, other, fresh())


async def test_au_5_guessing_a_token_is_slowed_and_noted(
    certified: World, enrolments: Enrolments
) -> None:
    """The key id is known, the secret is not; the owner sees what was tried."""
    issued = await enrolments.issue(SYSTEM, admitted(certified))
    other = (await enrolments.issue(SYSTEM, admitted(certified, "pump-8"))).text
    body = f"weft_{issued.token.key_id}_{other.split('_', 2)[2][:43]}"
    wrong = f"{body}_{zlib.crc32(body.encode()):08x}"
    for _ in range(30):
        with pytest.raises(Unauthenticated):
            enrolments.prove(wrong, PEER, certified.door)
    with pytest.raises(Unauthenticated):
        enrolments.prove(issued.text, PEER, certified.door)  # the same id, from the same address
    assert enrolments.prove(issued.text, "198.51.100.9:1", certified.door)
    for text in ("", "x", "weft_", "w" * 9_000):
        with pytest.raises(Unauthenticated):
            enrolments.prove(text, PEER, certified.door)


@pytest.mark.parametrize("lifecycle", list(Lifecycle))
async def test_pr_6_only_an_active_device_enrols(
    certified: World, enrolments: Enrolments, lifecycle: Lifecycle
) -> None:
    """A pending one is told to come again; the token waits with it."""
    pump = msgspec.structs.replace(admitted(certified), lifecycle=lifecycle)
    if lifecycle in {Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED}:
        with pytest.raises(Conflict):
            await enrolments.issue(SYSTEM, pump)
        return
    issued = await enrolments.issue(SYSTEM, pump)
    if lifecycle is Lifecycle.ACTIVE:
        assert await enrolments.enrol(issued.token, pump, fresh())
        return
    wanted: type[PeerError] = DevicePending if lifecycle is Lifecycle.PENDING else Conflict
    with pytest.raises(wanted):
        await enrolments.enrol(issued.token, pump, fresh())
    assert enrolments.prove(issued.text, PEER, certified.door)


async def test_tokens_are_counted_cancelled_swept_and_survive_a_restart(
    certified: World, enrolments: Enrolments
) -> None:
    """A script that makes one at each start is told; what is over goes after a week."""
    pump = admitted(certified)
    made = [await enrolments.issue(SYSTEM, pump) for _ in range(PER_DEVICE_MAX)]
    with pytest.raises(QuotaExceeded):
        await enrolments.issue(SYSTEM, pump)
    await enrolments.load()
    assert enrolments.prove(made[0].text, PEER, certified.door)
    await enrolments.cancel(SYSTEM, pump)
    with pytest.raises(Unauthenticated):
        enrolments.prove(made[0].text, PEER, certified.door)
    last = await enrolments.issue(SYSTEM, pump)
    await enrolments.sweep()
    assert enrolments.is_token(last.text)
    certified.clock.turn(LIFE_S + 8 * 86_400)
    await enrolments.sweep()
    assert not enrolments.is_token(last.text)
    assert await certified.records.read(lambda r: r.count(ENROLMENTS, MAIN)) == 0


async def test_id_1_a_deleted_devices_tokens_go_with_it(
    certified: World, enrolments: Enrolments
) -> None:
    """In the same transaction, and from memory."""
    pump = admitted(certified)
    issued = await enrolments.issue(SYSTEM, pump)
    await certified.records.write(lambda w: enrolments.delete_in(w, pump))
    enrolments.forget(pump)
    assert not enrolments.is_token(issued.text)
    await enrolments.load()
    assert not enrolments.is_token(issued.text)
