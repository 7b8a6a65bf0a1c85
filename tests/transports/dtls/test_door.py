"""The DTLS door: proofs, cookies, restarts, forgeries and endings."""

import asyncio
import os
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from tests.security.customer_ca import CustomerCa
from tests.security.support import MAIN, SYSTEM, device
from tests.transports.dtls.support import (
    CCM_8,
    HERE,
    KEY_SUITES,
    Client,
    House,
    certificate_context,
    customer_context,
    key_context,
)

from weft.errors import QuotaExceeded
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.security import reasons
from weft.security.limits import Rate
from weft.transports.dtls.door import HELD_MAX
from weft.transports.dtls.records import plain_alert
from weft.transports.dtls.settings import DtlsSettings

NOBODY = TenantId("")
SUITES = [
    KEY_SUITES,
    CCM_8,
    b"PSK-AES128-CCM",
    b"PSK-AES256-GCM-SHA384",
    b"ECDHE-PSK-CHACHA20-POLY1305",
]


async def opened(house: House, name: str = "meter-1", suites: bytes = KEY_SUITES) -> Client:
    """A client with a key whose session is open."""
    issued = await house.key(name)
    client = house.client(key_context(issued.credential.credential_id, issued.key, suites))
    assert client.shake()
    return client


@pytest.mark.parametrize("suites", SUITES)
async def test_co_1_a_device_comes_in_with_a_pre_shared_key(house: House, suites: bytes) -> None:
    """By the suite of RFC 7252 with its 8-byte tag, too; messages pass both ways."""
    client = await opened(house, suites=suites)
    assert house.inner.of("opened") == ["meter-1"]
    assert client.ask(b"hello") == b"echo hello"
    assert len(house.door) == 1
    assert house.door.shaking == 0


@pytest.mark.parametrize("suites", [b"ECDHE+AESGCM", b"ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"])
async def test_co_1_a_device_comes_in_with_a_certificate(house: House, suites: bytes) -> None:
    """Verified in both directions."""
    identity = await house.certificate()
    client = house.client(certificate_context(identity, house, suites))
    assert client.shake()
    assert house.inner.of("opened") == ["gate-1"]
    assert client.ask(b"hello") == b"echo hello"


async def test_a_renewed_authority_counts_from_the_next_handshake(house: House) -> None:
    """Without a restart of the listener."""
    house.world.authority.trust([])
    assert house.contexts.is_stale
    house.contexts.build()
    assert not house.contexts.is_stale
    assert house.client(certificate_context(await house.certificate(), house)).shake()


async def test_pr_4_a_registered_authority_counts_from_the_next_handshake(house: House) -> None:
    """And one that is trusted no more stops counting: as over TLS, without a restart."""
    acme, key = CustomerCa(), ec.generate_private_key(ec.SECP256R1())
    root = house.world.authority.root_pem
    context = customer_context(acme.sign("gate-1", key), key, root)
    attempts = house.world.door.attempts

    async def is_trusted(*foreign: str) -> bool:
        house.world.authority.trust(foreign)
        await house.door.renew()
        try:
            return house.client(context).shake()
        except SSL.Error:
            return False

    assert not await is_trusted()
    assert "not Weft's" in attempts.of_device(NOBODY, "(in the DTLS handshake)")[0].reason
    assert await is_trusted(acme.pem)
    assert reasons.UNKNOWN_CERTIFICATE.text in attempts.of_device(NOBODY, "(unnamed)")[0].reason
    assert not await is_trusted()
    assert house.inner.of("opened") == []  # the handshake alone opens nothing


async def test_pr_4_a_first_contact_is_heard_once_it_is_written_down(house: House) -> None:
    """Its first words are held meanwhile, a few of them; its last flight may come again."""
    acme, key = CustomerCa(), ec.generate_private_key(ec.SECP256R1())
    house.world.authority.trust([acme.pem])
    house.contexts.build()
    root = house.world.authority.root_pem
    arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    house.world.door.arriving = lambda _der, _peer: arrival
    identity = await house.certificate()
    client = house.client(customer_context(acme.sign("gate-1", key), key, root))
    assert client.shake()
    assert (len(house.door), house.door.shaking) == (0, 1)
    for number in range(HELD_MAX + 2):
        assert client.ask(b"%d" % number) == b""
    assert house.inner.log == []
    door = house.world.door
    proof = door.prove_certificate(identity.certificate.der, "192.0.2.7:1")
    door.prove_certificate = lambda _der, _peer: proof  # type: ignore[method-assign]
    arrival.set_result(None)
    await asyncio.sleep(0)
    assert house.inner.of("opened") == ["gate-1"]
    assert house.inner.of("received") == [b"%d" % number for number in range(HELD_MAX)]
    assert house.door.shaking == 0
    assert client.read() == b"echo 0"


async def test_pr_4_a_first_contact_that_takes_too_long_is_given_up(house: House) -> None:
    """The disk is stuck: it comes again."""
    arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    identity = await house.certificate()
    house.world.door.arrival_of = lambda _der, _peer: arrival  # type: ignore[method-assign]
    client = house.client(certificate_context(identity, house))
    assert client.shake()
    house.now += 31
    house.door.check()
    assert house.door.shaking == 0
    arrival.set_result(None)
    await asyncio.sleep(0)
    assert house.inner.of("opened") == []


async def test_co_1_without_a_certificate_nobody_comes_in(house: House) -> None:
    """The owner reads why."""
    client = house.client(certificate_context(None, house))
    with pytest.raises(SSL.Error):
        client.shake()
    (attempt,) = house.world.door.attempts.of_device(NOBODY, "(in the DTLS handshake)")
    assert "no certificate" in attempt.reason
    assert (len(house.door), house.door.shaking) == (0, 0)


async def test_mq_1_a_certificate_of_another_authority_is_refused(
    house: House, tmp_path: Path
) -> None:
    """In the handshake, with the reason for the owner."""
    (tmp_path / "other").mkdir()
    stranger = await House(tmp_path / "other").certificate()
    with pytest.raises(SSL.Error):
        house.client(certificate_context(stranger, house)).shake()
    (attempt,) = house.world.door.attempts.of_device(NOBODY, "(in the DTLS handshake)")
    assert "not Weft's" in attempt.reason
    assert house.inner.log == []


@pytest.mark.parametrize("known", [True, False])
async def test_au_5_a_wrong_key_and_an_unknown_name_look_the_same(
    house: House, known: bool
) -> None:
    """The same alert at the same step; the owner of a known name reads which it was."""
    issued = await house.key()
    name = issued.credential.credential_id if known else "nobodyatall"
    client = house.client(key_context(name, os.urandom(32)))
    with pytest.raises(SSL.Error) as raised:
        client.shake()
    assert "decrypt error" in str(raised.value)
    assert (len(house.door), house.door.shaking) == (0, 0)
    if known:
        (attempt,) = house.world.door.attempts.of_device(MAIN, "meter-1")
        assert "key is wrong" in attempt.reason


async def test_rv_2_a_revoked_key_opens_nothing(house: House) -> None:
    """Not by a new handshake, nor by the session that it has opened before."""
    pump = device("meter-1")
    issued = await house.world.preshared.issue(SYSTEM, pump)
    name = issued.credential.credential_id
    context = key_context(name, issued.key)
    client = house.client(context)
    assert client.shake()
    session = client.connection.get_session()
    assert session is not None
    await house.world.credentials.revoke(SYSTEM, pump, name)
    assert len(house.door) == 0
    again = house.client(context)
    again.connection.set_session(session)
    with pytest.raises(SSL.Error):
        again.shake()
    assert house.inner.of("opened") == ["meter-1"]


async def test_rv_1_a_revoked_certificate_cuts_the_live_session(house: House) -> None:
    """In the same turn of the loop; what it sends afterwards is heard by nobody."""
    gate = device("gate-1")
    identity = await house.certificate(gate)
    client = house.client(certificate_context(identity, house))
    assert client.shake()
    await house.world.credentials.revoke(SYSTEM, gate, identity.credential.credential_id)
    assert len(house.inner.of("ended")) == 1
    assert client.ask(b"still here?") == b""
    assert house.inner.of("received") == []


async def test_au_9_a_session_ends_with_its_credential(house: House) -> None:
    """The key ran out while the device was connected."""
    issued = await house.world.preshared.issue(SYSTEM, device("meter-1"), life_s=60)
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    assert client.shake()
    house.world.clock.turn(60)
    house.world.connections.cut_expired()
    assert len(house.door) == 0


async def test_au_9_a_session_ends_with_its_certificate(house: House) -> None:
    """At its notAfter, though the device is connected and nobody has revoked anything."""
    identity = await house.certificate()
    client = house.client(certificate_context(identity, house))
    assert client.shake()
    ends_in_s = (identity.certificate.expires_at - house.world.clock.now()) / NS_PER_S
    house.world.clock.turn(ends_in_s - 1)
    assert house.world.connections.cut_expired() == 0
    house.world.clock.turn(1)
    assert house.world.connections.cut_expired() == 1
    assert len(house.door) == 0
    assert client.ask(b"still here?") == b""


async def test_co_2_nothing_is_kept_or_amplified_before_the_cookie(house: House) -> None:
    """A thousand made-up addresses: each gets less than it sent, and leaves nothing behind."""
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    spoken = Client(house, context, HERE)
    spoken.step()
    house.stray.clear()
    before = house.sent_bytes
    hello = Client(house, context, HERE)
    with pytest.raises(SSL.WantReadError):
        hello.connection.do_handshake()
    (datagram,) = hello.output()
    for port in range(1_000):
        house.door.receive(datagram, ("198.51.100.9", port))
    assert house.sent_bytes - before <= 1_000 * len(datagram)
    assert (len(house.door), house.door.shaking) == (0, 0)


async def test_co_2_a_cookie_of_another_address_is_worth_nothing(house: House) -> None:
    """Nor one that is two minutes old."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    client.step()
    while client.arrived:
        client.connection.bio_write(client.arrived.popleft())
    with pytest.raises(SSL.WantReadError):
        client.connection.do_handshake()
    (with_cookie,) = client.output()
    house.door.receive(with_cookie, ("198.51.100.9", 1))
    house.now += 180
    house.door.receive(with_cookie, HERE)
    assert house.door.shaking == 0


async def test_co_3_forgeries_do_not_end_a_session(house: House) -> None:
    """Garbage, an alert in the clear, a record that does not open, a ClientHello."""
    client = await opened(house)
    other = Client(house, key_context("x", b"y" * 32), HERE)
    with pytest.raises(SSL.WantReadError):
        other.connection.do_handshake()
    (hello,) = other.output()
    client.connection.send(b"real")
    (real,) = client.output()
    forged = bytearray(real)
    forged[-1] ^= 1
    for datagram in (b"", b"\x16", os.urandom(64), plain_alert(0), bytes(forged), hello):
        house.door.receive(datagram, HERE)
    house.door.receive(real[:-3], HERE)
    client.arrived.clear()
    assert client.ask(b"hello") == b"echo hello"
    assert house.inner.of("ended") == []


@pytest.mark.parametrize("suites", SUITES)
async def test_co_3_thousands_of_damaged_records_do_not_end_a_session(
    house: House, suites: bytes
) -> None:
    """Copies of a real one with bytes changed, cut off or added, in its header and behind it."""
    client = await opened(house, suites=suites)
    dice = random.Random(7)  # the same ones each time
    for number in range(3_000):
        if not number % 50:
            client.connection.send(dice.randbytes(dice.randrange(1, 80)))
            (real,) = client.output()
        damaged = bytearray(real)
        match dice.randrange(4):
            case 0:
                damaged[dice.randrange(len(damaged))] ^= dice.randrange(1, 256)
            case 1:
                del damaged[dice.randrange(len(damaged)) :]
            case 2:
                damaged[dice.randrange(13)] = dice.choice([0, 1, 20, 21, 22, 23, 24, 253, 254, 255])
            case _:
                damaged[dice.randrange(3, len(damaged))] ^= 255
                damaged += dice.randbytes(dice.randrange(1, 40))
        house.door.receive(bytes(damaged), HERE)
    client.arrived.clear()
    assert house.inner.of("ended") == []
    assert client.ask(b"hello") == b"echo hello"


async def test_co_3_a_replayed_record_is_heard_once(house: House) -> None:
    """The window of DTLS."""
    client = await opened(house)
    client.connection.send(b"once")
    (record,) = client.output()
    house.door.receive(record, HERE)
    house.door.receive(record, HERE)
    assert house.inner.of("received") == [b"once"]


async def test_a_client_that_has_restarted_comes_in_again(house: House) -> None:
    """From the same address and port, without a good-bye; the old session ends only then."""
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    assert house.client(context).shake()
    again = house.client(context)
    again.step()
    assert len(house.door) == 1
    assert house.inner.of("ended") == []
    assert again.shake()
    assert house.inner.of("opened") == ["meter-1", "meter-1"]
    assert len(house.inner.of("ended")) == 1
    assert again.ask(b"hello") == b"echo hello"


async def test_a_lost_flight_is_sent_again(house: House) -> None:
    """The last one of the server is lost; the client repeats its own and gets it."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    for _ in range(2):
        client.step()
    while not house.inner.of("opened"):
        client.step()
    client.arrived.clear()  # lost
    for datagram in client.repeated():
        house.door.receive(datagram, HERE)
    assert client.shake()
    assert client.ask(b"hello") == b"echo hello"


async def test_co_1_a_good_bye_ends_the_session(house: House) -> None:
    """close_notify, in the session's own keys."""
    client = await opened(house)
    client.connection.shutdown()
    for datagram in client.output():
        house.door.receive(datagram, HERE)
    assert len(house.inner.of("ended")) == 1


async def test_co_2_a_slow_handshake_is_given_up(house: House) -> None:
    """And what it held is back."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    client.step()
    client.step()
    assert house.door.shaking == 1
    house.now += 31
    house.door.check()
    assert house.door.shaking == 0
    (attempt,) = house.world.door.attempts.of_device(NOBODY, "(in the DTLS handshake)")
    assert "too long" in attempt.reason


async def test_a_peer_that_goes_away_is_not_told_to_have_a_wrong_key(house: House) -> None:
    """Its name has come and its Finished never does: nothing is known of its key."""
    issued = await house.key()
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    house.door.receive(client.flight()[0], HERE)
    house.now += 31
    house.door.check()
    (attempt,) = house.world.door.attempts.of_device(MAIN, "meter-1")
    assert "too long" in attempt.reason


async def test_co_2_handshakes_under_way_are_capped(tmp_path: Path) -> None:
    """Of one address, whatever its ports."""
    house = House(tmp_path, DtlsSettings(handshakes_per_address=3))
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    for port in range(5):
        client = house.client(context, (HERE[0], port))
        client.step()
        client.step()
    assert house.door.shaking == 3
    assert house.client(context, ("198.51.100.9", 1)).shake()


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (DtlsSettings(handshakes_per_address=3), 3),
        (DtlsSettings(handshake_rate=Rate(per_s=1, burst=4)), 4),
    ],
)
async def test_co_2_an_ipv6_network_counts_as_one_address(
    tmp_path: Path, settings: DtlsSettings, most: int
) -> None:
    """Whoever has one address of a /64 has all of them."""
    house = House(tmp_path, settings)
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    for number in range(6):
        client = house.client(context, (f"2001:db8::{number + 1}", 1))
        client.step()
        client.step()
    assert house.door.shaking == most
    assert house.client(context, ("2001:db8:0:1::1", 1)).shake()


async def test_co_2_handshakes_begin_at_a_bounded_rate(tmp_path: Path) -> None:
    """A proven address that begins anew all the time: each costs us a key exchange.

    The owner reads why, and the network may go on once it has waited.
    """
    house = House(tmp_path, DtlsSettings(handshake_rate=Rate(per_s=1, burst=3)))
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    assert [house.client(context).shake() for _ in range(4)] == [True, True, True, False]
    assert len(house.inner.of("opened")) == 3
    assert house.door.shaking == 0
    (attempt,) = house.world.door.attempts.of_address(NOBODY, HERE[0])
    assert "too often" in attempt.reason
    assert house.client(context, ("198.51.100.9", 1)).shake()  # another network's own
    house.now += 1
    assert house.client(context).shake()


async def test_co_2_whoever_is_slowed_loses_no_handshake_under_way(tmp_path: Path) -> None:
    """A ClientHello too many ends nothing of what its address has begun before."""
    house = House(tmp_path, DtlsSettings(handshake_rate=Rate(per_s=1, burst=1)))
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    client = house.client(context)
    client.step()
    client.step()
    other = house.client(context)
    other.step()
    other.step()
    assert house.door.shaking == 1
    house.clients[HERE] = client
    client.arrived.extend(other.arrived)
    assert client.shake()


async def test_sessions_are_capped_and_the_longest_silent_gives_way(tmp_path: Path) -> None:
    """One that was heard a moment ago does not."""
    house = House(tmp_path, DtlsSettings(sessions=2, keep_s=60))
    issued = await house.key()
    context = key_context(issued.credential.credential_id, issued.key)
    for port in (1, 2):
        assert house.client(context, (HERE[0], port)).shake()
    house.client(context, (HERE[0], 3)).shake()
    assert len(house.inner.of("opened")) == 2
    house.now += 61
    assert house.client(context, (HERE[0], 4)).shake()
    assert house.inner.of("ended") == ["192.0.2.7:1"]
    assert len(house.door) == 2


async def test_a_silent_session_ends(house: House) -> None:
    """The peer is told, in case it is still there."""
    client = await opened(house)
    house.now += 24 * 3600
    house.door.check()
    assert len(house.door) == 0
    assert client.read() == b""


async def test_a_peer_that_may_not_come_in_is_told_good_bye(house: House) -> None:
    """Too many connections, say."""
    issued = await house.key()
    house.inner.refuse = QuotaExceeded("It has enough.", remedy="Close some.")
    client = house.client(key_context(issued.credential.credential_id, issued.key))
    client.shake()
    assert (len(house.door), house.door.shaking) == (0, 0)
    attempts = house.world.door.attempts
    assert attempts.of_device(NOBODY, "(in the DTLS handshake)") == []
    refused, proven = attempts.of_device(MAIN, "meter-1")  # the handshake has proven whose
    assert (refused.accepted, refused.reason, refused.remedy) == (
        False,
        "It has enough",
        "Close some.",
    )
    assert proven.accepted


async def test_no_common_suite_is_said(house: House) -> None:
    """In an alert, and to the owner."""
    client = house.client(certificate_context(None, house, b"ECDHE-RSA-AES128-GCM-SHA256"))
    with pytest.raises(SSL.Error):
        client.shake()
    (attempt,) = house.world.door.attempts.of_device(NOBODY, "(in the DTLS handshake)")
    assert "cipher suite" in attempt.reason


async def test_closing_tells_all(house: House) -> None:
    """Weft stops."""
    client = await opened(house)
    house.door.close()
    assert len(house.inner.of("ended")) == 1
    (good_bye,) = client.arrived
    client.connection.bio_write(good_bye)
    with pytest.raises(SSL.ZeroReturnError):
        client.connection.recv(100)
