import pytest
from tests.security.support import MAIN, PEER, SYSTEM, World, device
from tests.security.test_enrolment import admitted, fresh

from weft.errors import Conflict, NotFound, Unauthenticated
from weft.model.moments import NS_PER_S, from_rfc3339
from weft.model.principal import Principal, PrincipalKind
from weft.security.credential_records import CredentialKind, DeviceCredential
from weft.security.rotation import GRACE_S, Replacing, Rotation, TooEarly, renewal_opens_at

DAY_S = 86_400


@pytest.fixture
def rotation(certified: World) -> Rotation:
    return Rotation(
        certified.records,
        certified.audit,
        certified.clock,
        certified.credentials,
        certified.connections,
    )


async def test_rv_3_a_certificate_is_renewed_from_two_thirds_of_its_life(
    certified: World, rotation: Rotation
) -> None:
    """On the sixtieth day of ninety, and not before: the refusal names the date."""
    pump = admitted(certified)
    old = await certified.credentials.issue_certificate(SYSTEM, pump)
    known = old.credential.credential_id
    certified.clock.turn(60 * DAY_S - 1)
    with pytest.raises(TooEarly) as caught:
        await rotation.renew(SYSTEM, pump, known, fresh())
    named = caught.value.detail.split("from ")[1].split(" ")[0]
    assert from_rfc3339(named) == renewal_opens_at(old.credential)
    certified.clock.turn(1)
    new = await rotation.renew(SYSTEM, pump, known, fresh())

    for der in (old.certificate.der, new.certificate.der):
        assert certified.door.by_certificate(der, PEER).uid == pump.uid
    certified.clock.turn(30 * DAY_S)
    assert certified.door.by_certificate(new.certificate.der, PEER).uid == pump.uid
    with pytest.raises(Unauthenticated):
        certified.door.by_certificate(old.certificate.der, PEER)


async def test_rv_3_ten_years_of_renewals_never_run_out_of_room(
    certified: World, rotation: Rotation
) -> None:
    """What has run out counts no more against the number that a device may hold."""
    pump = admitted(certified)
    issued = await certified.credentials.issue_certificate(SYSTEM, pump)
    for _ in range(60):
        certified.clock.turn(61 * DAY_S)
        issued = await rotation.renew(SYSTEM, pump, issued.credential.credential_id, fresh())
    assert certified.door.by_certificate(issued.certificate.der, PEER).uid == pump.uid


async def test_a_renewal_needs_a_certificate(certified: World, rotation: Rotation) -> None:
    """A secret has nothing to renew."""
    pump = admitted(certified)
    issued = await certified.credentials.issue_secret(SYSTEM, pump)
    for known in (issued.credential.credential_id, "nobody"):
        with pytest.raises(Conflict):
            await rotation.renew(SYSTEM, pump, known, fresh())


async def test_what_a_customers_authority_vouches_for_is_renewed_there(
    certified: World, rotation: Rotation
) -> None:
    """Its key is known here and no certificate of it: nothing says when its life ends."""
    pump = admitted(certified)
    bound = DeviceCredential(
        MAIN, "f" * 64, CredentialKind.CERTIFICATE, pump.device_id, pump.uid, 0, authority="a-1"
    )
    await certified.credentials.add(SYSTEM, bound)
    with pytest.raises(Conflict, match="owner's authority") as caught:
        await rotation.renew(SYSTEM, pump, bound.credential_id, fresh())
    assert caught.value.remedy


async def test_rv_3_old_and_new_are_good_until_the_grace_is_over(
    certified: World, rotation: Rotation
) -> None:
    """A secret gives way to a secret; after a day the old one is refused, also after a restart."""
    pump = admitted(certified)
    old = await certified.credentials.issue_secret(SYSTEM, pump)
    new = await rotation.rotate_secret(SYSTEM, pump, Replacing())
    certified.clock.turn(GRACE_S - 1)
    for token in (old.token, new.token):
        assert certified.door.by_secret("pump-7", token, PEER).uid == pump.uid
    certified.clock.turn(1)
    for _ in ("at once", "after a restart"):
        assert certified.door.by_secret("pump-7", new.token, PEER).uid == pump.uid
        with pytest.raises(Unauthenticated):
            certified.door.by_secret("pump-7", old.token, PEER)
        await certified.restart()
    shown = await certified.credentials.list_credentials(pump)
    assert sorted(one.expires_at is None for one in shown) == [False, True]


async def test_rv_3_what_the_old_one_opened_is_cut_and_what_the_new_one_opened_stays(
    certified: World, rotation: Rotation
) -> None:
    """The device has moved its second connection to the new credential; that one goes on."""
    pump = admitted(certified)
    principal = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", pump.uid)
    old = await certified.credentials.issue_secret(SYSTEM, pump)
    new = await rotation.rotate_certificate(SYSTEM, pump, Replacing(grace_s=60))
    by_old, cut_old = certified.connect(principal)
    by_new, cut_new = certified.connect(principal)
    by_old.credential_id = old.credential.credential_id
    by_new.credential_id = new.credential.credential_id
    certified.clock.turn(59)
    assert rotation.end_due() == 0
    certified.clock.turn(1)
    assert rotation.end_due() == 1
    assert cut_old == ["the credential was replaced"]
    assert cut_new == []
    assert rotation.end_due() == 0


async def test_one_of_several_credentials_is_replaced_alone(
    certified: World, rotation: Rotation
) -> None:
    """The gateway's second secret stays; one of another device is not found."""
    pump = admitted(certified)
    first = await certified.credentials.issue_secret(SYSTEM, pump)
    second = await certified.credentials.issue_secret(SYSTEM, pump)
    wanted = Replacing(grace_s=0, credential_id=first.credential.credential_id)
    await rotation.rotate_secret(SYSTEM, pump, wanted)
    assert certified.door.by_secret("pump-7", second.token, PEER)
    with pytest.raises(Unauthenticated):
        certified.door.by_secret("pump-7", first.token, PEER)
    other = await certified.credentials.issue_secret(SYSTEM, device("pump-8"))
    with pytest.raises(NotFound):
        await rotation.rotate_secret(
            SYSTEM, pump, Replacing(credential_id=other.credential.credential_id)
        )
    assert len(await certified.credentials.list_credentials(pump)) == 3  # nothing half done


async def test_a_grace_never_lengthens_a_life(certified: World, rotation: Rotation) -> None:
    """A secret that ends in a minute ends in a minute."""
    pump = admitted(certified)
    old = await certified.credentials.issue_secret(SYSTEM, pump, life_s=60)
    await rotation.rotate_secret(SYSTEM, pump, Replacing())
    (shown,) = [
        one
        for one in await certified.credentials.list_credentials(pump)
        if one.credential_id == old.credential.credential_id
    ]
    assert shown.expires_at == old.credential.created_at + 60 * NS_PER_S
