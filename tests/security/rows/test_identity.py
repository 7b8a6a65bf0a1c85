"""ID-1 and ID-4: who somebody is comes from the credential, and no name comes back to life."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.interop.support import Account
from tests.security.rows.support import REFUSED, House, operator, publish

from weft.registry.devices import NewDevice
from weft.wire.mqtt.reasons import Reason


async def test_id_1_a_name_that_is_used_again_is_somebody_else(house: House) -> None:
    """Deleted and made anew: another uid, and neither the old secret nor certificate opens."""
    old = await house.enrol("pump-7")
    await house.identity.devices.delete(operator(), "pump-7")
    new = await house.enrol("pump-7")

    assert new.device.uid != old.device.uid
    _, by_secret = await house.dial(old)
    _, by_certificate = await house.dial_tls(old.pem)
    assert by_secret.reason in REFUSED
    assert by_certificate.reason in REFUSED
    async with house.http(old.token) as client:
        assert (await client.get("devices/pump-7")).status_code == 401
    assert (await house.dial(new))[1].reason is Reason.SUCCESS
    assert (await house.dial_tls(new.pem))[1].reason is Reason.SUCCESS


async def test_id_1_what_is_deleted_is_refused_before_its_name_returns(house: House) -> None:
    """Also between the delete and the second create."""
    pump = await house.enrol("pump-7")
    await house.identity.devices.delete(operator(), "pump-7")
    assert (await house.dial(pump))[1].reason in REFUSED
    assert (await house.dial_tls(pump.pem))[1].reason in REFUSED


async def test_id_1_a_hundred_lives_of_one_name_have_a_hundred_ids(house: House) -> None:
    """Ids are never used again."""
    devices, uids = house.identity.devices, set()
    for _ in range(100):
        made = await devices.create(operator(), NewDevice(device_id="pump-7"))
        uids.add(made.uid)
        await devices.delete(operator(), "pump-7")
    assert len(uids) == 100


async def test_id_4_the_name_in_a_certificate_proves_nothing(house: House) -> None:
    """A signing request says CN=pump-8, made by pump-7's owner: it acts as pump-7."""
    pump = await house.enrol("pump-7")
    await house.enrol("pump-8")
    key = ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump-8")]))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    issued = await house.identity.credentials.issue_certificate(
        operator(), pump.device, request_pem=request
    )
    pem = pump.pem.with_name("as-pump-8.pem")
    own = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_text(own.decode() + issued.certificate.certificate_pem + issued.certificate.chain_pem)

    peer, answer = await house.dial_tls(pem, client_id="pump-8", username="pump-8")
    assert answer.reason is Reason.SUCCESS
    assert await publish(peer, "devices/pump-8/telemetry", b'{"t":1}') is Reason.NOT_AUTHORIZED
    assert await publish(peer, "devices/pump-7/telemetry", b'{"t":1}') is Reason.SUCCESS


async def test_id_4_a_certificate_of_our_authority_that_was_never_issued_is_nobody(
    house: House,
) -> None:
    """Signed by Weft for pump-7's uid, with a key that no credential has."""
    pump = await house.enrol("pump-7")
    forged = house.identity.authority.issue(pump.device)
    pem = pump.pem.with_name("forged.pem")
    pem.write_text(f"{forged.private_key_pem}{forged.certificate_pem}{forged.chain_pem}")
    assert (await house.dial_tls(pem))[1].reason is Reason.NOT_AUTHORIZED


async def test_id_4_neither_topic_nor_client_id_nor_name_makes_another_device(
    house: House,
) -> None:
    """Pump-7's secret under pump-8's name, and pump-8's topics."""
    pump, other = await house.enrol("pump-7"), await house.enrol("pump-8")
    peer = await house.mqtt(pump, client_id="pump-8")
    assert await publish(peer, "devices/pump-8/telemetry", b'{"t":1}') is Reason.NOT_AUTHORIZED
    assert await peer.subscribe("devices/pump-8/commands/#") == [Reason.NOT_AUTHORIZED]

    mixed, answer = await house.dial(Account(other.username, pump.token))
    if answer.reason is Reason.SUCCESS:
        told = await publish(mixed, "devices/pump-8/telemetry", b'{"t":1}')
        assert told is Reason.NOT_AUTHORIZED


async def test_id_4_headers_that_name_somebody_count_for_nothing(house: House) -> None:
    """`X-User-ID` and its like, with and without a credential."""
    pump, _ = await house.enrol("pump-7"), await house.enrol("pump-8")
    names = ("X-User-ID", "X-Remote-User", "X-Device-Id", "X-Forwarded-User", "Remote-User")
    claims = dict.fromkeys(names, "pump-8")
    async with house.http(**claims) as client:
        assert (await client.get("devices/pump-8")).status_code == 401
    async with house.http(pump.token, **claims) as client:
        assert (await client.get("devices/pump-7")).status_code == 200
        assert (await client.get("devices/pump-8")).status_code == 403
        sent = await client.post("devices/pump-8/telemetry", json={"t": 1})
        assert sent.status_code == 403
