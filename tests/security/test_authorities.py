import asyncio
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from tests.security.customer_ca import CustomerCa, der_of
from tests.security.support import ADMIN, MAIN, OTHER, World
from tests.security.test_certificates import request_for

from weft.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, QuotaExceeded
from weft.model.principal import Principal, PrincipalKind
from weft.security.authorities import (
    NONCE_LIFE_S,
    PER_TENANT_MAX,
    Authorities,
    AuthorityPatch,
    CustomerAuthority,
    NameField,
    NewAuthority,
    Status,
    require_name_of,
)
from weft.security.certificates import pem_of

RIVAL = Principal(OTHER, PrincipalKind.USER, "rita", "uid-rita")


@pytest.fixture
def authorities(certified: World) -> Authorities:
    return Authorities(certified.records, certified.audit, certified.clock, certified.authority)


@pytest.fixture
def acme(certified: World) -> CustomerCa:
    return CustomerCa(at_s=certified.clock.now() / 1e9)


async def proven(
    authorities: Authorities, ca: CustomerCa, actor: Principal = ADMIN
) -> CustomerAuthority:
    made = await authorities.register(actor, NewAuthority(ca.pem))
    return await authorities.prove(actor, made.authority_id, ca.proof(made.nonce))


async def test_pr_4_an_authority_counts_once_its_key_is_proven(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """Its certificate is public: whoever has it and not the key gets nothing trusted."""
    made = await authorities.register(ADMIN, NewAuthority(acme.pem, label="Acme"))
    leaf = der_of(acme.sign("gate-1"))
    assert made.status is Status.UNPROVEN
    assert authorities.find_issuer(leaf) is None
    assert acme.pem not in certified.authority.trusted_pem

    shown = await authorities.prove(ADMIN, made.authority_id, acme.proof(made.nonce))
    assert (shown.status, shown.nonce) == (Status.ACTIVE, "")
    found = authorities.find_issuer(leaf)
    assert found is not None
    assert (found.tenant, found.authority_id) == (MAIN, made.authority_id)
    assert acme.pem in certified.authority.trusted_pem
    actions = [one.value.action for one in await certified.audit.list_records(MAIN)]
    assert actions.count("authority.write") == 2


async def test_pr_4_what_does_not_prove_the_key_is_refused(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """Another key under the same name, another nonce, the nonce of yesterday, noise."""
    made = await authorities.register(ADMIN, NewAuthority(acme.pem))
    forger = CustomerCa(at_s=certified.clock.now() / 1e9)
    for pem in (forger.proof(made.nonce), acme.proof("another"), acme.pem, "x", "x" * 20_000):
        with pytest.raises(Invalid):
            await authorities.prove(ADMIN, made.authority_id, pem)
    certified.clock.turn(NONCE_LIFE_S)
    with pytest.raises(Conflict, match="too old"):
        await authorities.prove(ADMIN, made.authority_id, acme.proof(made.nonce))
    again = await authorities.register(ADMIN, NewAuthority(acme.pem))
    assert again.nonce != made.nonce
    await authorities.prove(ADMIN, made.authority_id, acme.proof(again.nonce))
    with pytest.raises(Conflict, match="used"):
        await authorities.prove(ADMIN, made.authority_id, acme.proof(again.nonce))


async def test_pr_4_one_authority_is_one_tenants(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """By its key, not by its certificate; who is only registered keeps nobody out."""
    squatter = await authorities.register(RIVAL, NewAuthority(acme.pem))
    made = await proven(authorities, acme)
    with pytest.raises(AlreadyExists) as caught:
        await authorities.prove(RIVAL, made.authority_id, acme.proof(squatter.nonce))
    assert MAIN not in caught.value.detail + caught.value.remedy
    with pytest.raises(AlreadyExists):
        await authorities.register(ADMIN, NewAuthority(acme.pem))
    await authorities.delete(ADMIN, made.authority_id)
    later = await authorities.prove(RIVAL, made.authority_id, acme.proof(squatter.nonce))
    assert later.tenant == OTHER


async def test_rv_1_of_two_changes_at_once_tls_trusts_as_the_later_says(
    certified: World,
    authorities: Authorities,
    acme: CustomerCa,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow write of what was trusted before does not come behind that it is not any more."""
    made = await proven(authorities, acme)
    entered, go_on = threading.Event(), threading.Event()
    trusted: list[list[str]] = []

    def trust(pems: list[str]) -> None:
        if not entered.is_set():
            entered.set()
            go_on.wait(20)
        trusted.append(pems)

    monkeypatch.setattr(certified.authority, "trust", trust)
    renamed = asyncio.create_task(
        authorities.update(ADMIN, made.authority_id, AuthorityPatch(label="Acme"))
    )
    await asyncio.to_thread(entered.wait, 20)
    disabled = asyncio.create_task(
        authorities.update(ADMIN, made.authority_id, AuthorityPatch(enabled=False))
    )
    async with asyncio.timeout(20):
        while authorities.get(MAIN, made.authority_id).status is Status.ACTIVE:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0)
    await asyncio.sleep(0.05)  # a thread that is not waited for would be through by now
    go_on.set()
    await asyncio.gather(renamed, disabled)
    assert trusted[-1] == []


async def test_id_4_the_signature_tells_authorities_of_one_name_apart(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """Two tenants' authorities are called the same; a stranger's too."""
    at_s = certified.clock.now() / 1e9
    theirs, stranger = CustomerCa(at_s=at_s), CustomerCa(at_s=at_s)
    mine = await proven(authorities, acme)
    other = await proven(authorities, theirs, RIVAL)
    for ca, wanted in ((acme, mine), (theirs, other), (stranger, None)):
        found = authorities.find_issuer(der_of(ca.sign("gate-1")))
        assert (found and found.authority_id) == (wanted and wanted.authority_id)
    leaf = der_of(acme.sign("gate-1"))
    assert authorities.vouches(MAIN, mine.authority_id, leaf)
    assert not authorities.vouches(OTHER, other.authority_id, leaf)
    assert authorities.find_issuer(b"x") is None


async def test_a_disabled_authority_is_trusted_no_more(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """And again once it is enabled; also after a restart."""
    made = await proven(authorities, acme)
    leaf = der_of(acme.sign("gate-1"))
    ended: list[str] = []
    authorities.on_end(lambda one: ended.append(one.authority_id))
    await authorities.update(ADMIN, made.authority_id, AuthorityPatch(enabled=False))
    assert authorities.find_issuer(leaf) is None
    assert ended == [made.authority_id]
    assert acme.pem not in certified.authority.trusted_pem
    await authorities.load()
    assert authorities.find_issuer(leaf) is None
    patch = AuthorityPatch(enabled=True, label="Acme", name_field=NameField.URI)
    shown = await authorities.update(ADMIN, made.authority_id, patch)
    assert (shown.label, shown.name_field, shown.status) == ("Acme", NameField.URI, Status.ACTIVE)
    assert authorities.find_issuer(leaf) is not None


async def test_an_unproven_authority_is_not_enabled(
    authorities: Authorities, acme: CustomerCa
) -> None:
    """That would be the way around the proof."""
    made = await authorities.register(ADMIN, NewAuthority(acme.pem))
    with pytest.raises(Conflict, match="proven"):
        await authorities.update(ADMIN, made.authority_id, AuthorityPatch(enabled=True))
    with pytest.raises(NotFound):
        authorities.get(OTHER, made.authority_id)
    assert [one.authority_id for one in authorities.list(MAIN)] == [made.authority_id]
    assert not authorities.list(OTHER)


async def test_what_is_no_authority_is_not_registered(
    certified: World, authorities: Authorities, acme: CustomerCa
) -> None:
    """A device's certificate, one that has ended, a request, our own, and too many."""
    old = CustomerCa(at_s=certified.clock.now() / 1e9 - 4_000 * 86_400)
    leaf = pem_of(acme.sign("gate-1"))
    request = request_for(ec.generate_private_key(ec.SECP256R1()))
    own = (certified.authority.root_pem, certified.authority.chain_pem)
    for pem in (leaf, old.pem, request, "x", *own):
        with pytest.raises(Invalid):
            await authorities.register(ADMIN, NewAuthority(pem))
    weak = ec.generate_private_key(ec.SECP256K1())
    builder = acme._builder(acme.name, weak.public_key(), 9)
    pem = pem_of(
        builder.add_extension(x509.BasicConstraints(True, 0), critical=True).sign(
            weak, hashes.SHA256()
        )
    )
    with pytest.raises(Invalid):
        await authorities.register(ADMIN, NewAuthority(pem))
    for number in range(PER_TENANT_MAX):
        ca = CustomerCa(f"ca {number}", at_s=certified.clock.now() / 1e9)
        await authorities.register(ADMIN, NewAuthority(ca.pem))
    with pytest.raises(QuotaExceeded):
        await authorities.register(ADMIN, NewAuthority(acme.pem))


def test_a_name_is_taken_as_it_stands_or_not_at_all(acme: CustomerCa) -> None:
    """One field, once; no pattern is looked for in it."""
    leaf = der_of(acme.sign("gate-1", uris=("urn:dev:mac:0024befffe804ff1",)))
    assert require_name_of(leaf, NameField.COMMON_NAME) == "gate-1"
    assert require_name_of(leaf, NameField.URI) == "urn:dev:mac:0024befffe804ff1"
    for uris in ((), ("urn:a", "urn:b")):
        with pytest.raises(Forbidden):
            require_name_of(der_of(acme.sign("gate-1", uris=uris)), NameField.URI)
