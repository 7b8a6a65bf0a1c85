"""Claiming: serial and code, once, whoever asks at once; and nobody learns by guessing."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.batch import PEER, PEPPER, Batch
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER

from weft.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    RateLimited,
    StorageError,
    Unauthenticated,
)
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.claiming import CLAIM_CODES, Claiming, OwnerClaim
from weft.registry.devices import NewDevice
from weft.registry.tenants import PLATFORM
from weft.security.throttle import Throttle, ThrottleSettings

OFTEN = ThrottleSettings(per_account=10_000, per_address=10_000, in_all=100_000)


class Market(Batch):
    """Alice's tenant makes devices; others claim them."""

    def __init__(self, folder: Path, throttle: ThrottleSettings = OFTEN) -> None:
        super().__init__(folder)
        self.claiming = Claiming(
            self.records,
            self.audit,
            self.clock,
            (PEPPER, Throttle(self.clock, throttle)),
            self.devices,
            self.credentials,
        )

    async def offer(self, name: str = "pump-7") -> tuple[str, str]:
        """Make a device with a secret and release it; return its code and token."""
        device = await self.devices.create(
            ALICE, NewDevice(device_id=name, label="Pump", attributes={"lot": 4})
        )
        issued = await self.credentials.issue_secret(ALICE, device)
        code = await self.claiming.make_code(ALICE, name)
        return code.code, issued.token

    async def take(
        self, code: str, *, serial: str = "pump-7", actor: Principal = MALLORY, peer: str = "a"
    ) -> object:
        return await self.claiming.claim(actor, OwnerClaim(serial, code), peer)


async def test_pr_3_a_device_moves_to_who_shows_serial_and_code(tmp_path: Path) -> None:
    """It comes back by itself, as its owner's; where it was nothing of it is left."""
    market = Market(tmp_path)
    code, token = await market.offer()
    old = market.devices.get(MAIN, "pump-7")
    done = await market.claiming.claim(MALLORY, OwnerClaim("pump-7", code), "a")
    assert done.secrets == 1
    assert done.device.tenant == OTHER
    assert done.device.uid != old.uid
    assert (done.device.label, done.device.attributes) == ("Pump", {})
    assert market.devices.find(MAIN, "pump-7") is None
    principal = market.door.by_bearer(token, PEER)
    assert (principal.tenant, principal.uid) == (OTHER, done.device.uid)
    assert not market.policy.is_active(MAIN, old.uid)
    assert await market.credentials.list_credentials(old) == []
    told = [(actor, action) for actor, action, _, _ in market.audit.entries]
    assert told[-3:] == [
        (str(MALLORY), "device.create"),
        ("system:weft", "device.delete"),
        (str(MALLORY), "device.claim"),
    ]


async def test_what_moved_is_there_after_a_restart(tmp_path: Path) -> None:
    """Both halves are one transaction."""
    market = Market(tmp_path)
    code, token = await market.offer()
    await market.take(code)
    again = Market(tmp_path)
    again.records = market.records
    rest = await market.restarted()
    assert rest.devices.find(MAIN, "pump-7") is None
    assert rest.devices.find(OTHER, "pump-7") is not None
    await market.credentials.load()
    assert market.door.by_bearer(token, PEER).tenant == OTHER


async def test_pr_3_a_claim_stands_though_the_old_device_is_not_forgotten_at_once(
    tmp_path: Path,
) -> None:
    """The disk of history is full: the owner has the device and is told so; the rest follows."""
    market = Market(tmp_path)
    code, token = await market.offer()
    old = market.devices.get(MAIN, "pump-7")
    full = True
    forgotten: list[str] = []

    async def forget(device: Device) -> None:
        if full:
            raise StorageError("history's disk is full")
        forgotten.append(device.uid)

    market.devices.after_delete(forget)
    done = await market.claiming.claim(MALLORY, OwnerClaim("pump-7", code), "a")
    assert market.devices.get(OTHER, "pump-7") == done.device
    assert market.door.by_bearer(token, PEER).uid == done.device.uid
    with pytest.raises(AlreadyExists, match="still being forgotten"):
        await market.devices.create(ALICE, NewDevice(device_id="pump-7"))
    full = False
    assert await market.devices.forget_rest() == 0
    assert forgotten == [old.uid]


async def test_pr_3_of_fifty_owners_at_once_exactly_one_wins(tmp_path: Path) -> None:
    """The others are told that it was claimed, and not by whom."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    owners = [
        Principal(TenantId(f"t{number}"), PrincipalKind.USER, f"u{number}", f"uid-{number}")
        for number in range(50)
    ]
    answers = await asyncio.gather(
        *(market.take(code, actor=owner, peer=owner.tenant) for owner in owners),
        return_exceptions=True,
    )
    won = [
        owner
        for owner, one in zip(owners, answers, strict=True)
        if not isinstance(one, BaseException)
    ]
    assert len(won) == 1
    lost = [one for one in answers if isinstance(one, BaseException)]
    assert all(type(one) is Conflict for one in lost)
    assert all(won[0].tenant not in str(one) and won[0].id not in str(one) for one in lost)
    held = [owner for owner in owners if market.devices.find(owner.tenant, "pump-7")]
    assert held == won


async def test_pr_3_a_device_in_use_is_not_claimed_again_until_it_is_released(
    tmp_path: Path,
) -> None:
    """The code is spent; its owner alone makes another."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    await market.take(code)
    carol = Principal(TenantId("third"), PrincipalKind.USER, "carol", "uid-carol")
    with pytest.raises(Conflict):
        await market.take(code, actor=carol)
    with pytest.raises(NotFound):
        await market.claiming.make_code(ALICE, "pump-7")
    released = await market.claiming.make_code(MALLORY, "pump-7")
    await market.take(released.code, actor=carol)
    assert market.devices.find(carol.tenant, "pump-7") is not None
    assert market.devices.find(OTHER, "pump-7") is None


async def test_au_5_an_unknown_serial_and_a_wrong_code_are_not_told_apart(tmp_path: Path) -> None:
    """Neither an old code nor one of another device says that the serial is right."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    other, _ = await market.offer("pump-8")
    words = set()
    for serial, shown in (
        ("pump-7", "0000-0000-0000-0000"),
        ("pump-7", other),
        ("pump-9", code),
        ("pump-7", "?"),
    ):
        with pytest.raises(NotFound) as caught:
            await market.take(shown, serial=serial)
        words.add((caught.value.detail, caught.value.remedy))
    market.clock.turn(31 * 86_400)
    with pytest.raises(NotFound) as caught:
        await market.take(code)
    words.add((caught.value.detail, caught.value.remedy))
    assert len(words) == 1
    denied = [target for _, action, target, _ in market.audit.entries if action == "device.claim"]
    assert "device:pump-9" in denied


async def test_au_5_guessing_is_slowed_and_the_owner_still_gets_in(tmp_path: Path) -> None:
    """Twenty tries, then waiting; from an address of their own the owner is not kept out long."""
    market = Market(tmp_path, ThrottleSettings())
    code, _ = await market.offer()
    evaluated = 0
    for _ in range(200):
        try:
            await market.take("0000-0000-0000-0000", peer="198.51.100.7")
        except NotFound:
            evaluated += 1
        except RateLimited:
            continue
    assert evaluated == 20
    with pytest.raises(RateLimited):
        await market.take(code, peer="198.51.100.7")
    market.clock.turn(30)
    await market.take(code, peer="203.0.113.9")


async def test_a_code_is_read_as_people_write_it(tmp_path: Path) -> None:
    """Small letters, spaces, and the letters that look like digits."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    await market.take(code.lower().replace("-", " ").replace("0", "o").replace("1", "l"))


async def test_only_one_code_of_a_device_is_good(tmp_path: Path) -> None:
    """A new one ends the one before; taking it back ends it too."""
    market = Market(tmp_path)
    first, _ = await market.offer()
    second = (await market.claiming.make_code(ALICE, "pump-7")).code
    with pytest.raises(NotFound):
        await market.take(first)
    await market.claiming.drop_code(ALICE, "pump-7")
    with pytest.raises(NotFound):
        await market.take(second)
    with pytest.raises(NotFound):
        await market.claiming.drop_code(ALICE, "pump-7")


async def test_a_name_that_is_taken_there_moves_nothing(tmp_path: Path) -> None:
    """Neither the device nor the code is spent; under another name it goes."""
    market = Market(tmp_path)
    code, token = await market.offer()
    await market.devices.create(MALLORY, NewDevice(device_id="pump-7"))
    with pytest.raises(AlreadyExists):
        await market.take(code)
    assert market.door.by_bearer(token, PEER).tenant == MAIN
    shown = OwnerClaim("pump-7", code, device_id="pump-of-alice")
    done = await market.claiming.claim(MALLORY, shown, "a")
    assert done.device.device_id == "pump-of-alice"
    assert market.door.by_bearer(token, PEER).id == "pump-of-alice"


async def test_what_cannot_move_is_told_to_who_releases_it(tmp_path: Path) -> None:
    """Revoked, or behind a gateway; and never into the tenant where it is."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    with pytest.raises(Conflict):
        await market.take(code, actor=ALICE)
    await market.devices.move(ALICE, "pump-7", Lifecycle.REVOKED)
    with pytest.raises(NotFound):
        await market.take(code)
    with pytest.raises(Conflict, match="revoked"):
        await market.claiming.make_code(ALICE, "pump-7")
    await market.devices.create(ALICE, NewDevice(device_id="gate", adds_children=True))
    await market.devices.create(ALICE, NewDevice(device_id="room-1", gateway="gate"))
    with pytest.raises(Conflict, match="behind the gateway 'gate'") as refused:
        await market.claiming.make_code(ALICE, "room-1")
    assert "Release 'gate'" in refused.value.remedy


async def test_a_certificate_stays_behind(tmp_path: Path) -> None:
    """It names the tenant that issued it; the owner gives the device one of their own."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    device = market.devices.get(MAIN, "pump-7")
    identity = await market.credentials.issue_certificate(ALICE, device)
    await market.take(code)
    with pytest.raises(Unauthenticated):
        market.door.by_certificate(identity.certificate.der, PEER)


async def test_codes_whose_time_is_over_are_swept(tmp_path: Path) -> None:
    """Used or not: what is kept does not grow for ever."""
    market = Market(tmp_path)
    code, _ = await market.offer()
    await market.offer("pump-8")
    await market.take(code)
    assert await market.claiming.sweep() == 0
    market.clock.turn(31 * 86_400)
    assert await market.claiming.sweep() == 2
    assert await market.records.read(lambda r: r.count(CLAIM_CODES, PLATFORM)) == 0


@given(serial=st.text(min_size=1, max_size=20), other=st.text(min_size=1, max_size=20))
def test_no_serial_opens_with_the_code_of_another(serial: str, other: str) -> None:
    """The key is over both, with a bound between them."""
    claiming = Claiming.__new__(Claiming)
    claiming._pepper = PEPPER
    same = claiming._key(serial, "AAAA") == claiming._key(other, "AAAA")
    assert same == (serial == other)
