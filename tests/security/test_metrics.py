import pytest
from prometheus_client import REGISTRY
from tests.security.support import MAIN, PASSWORD, PEER, SYSTEM, World, device

from weft.errors import Unauthenticated
from weft.model.principal import Principal, PrincipalKind


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"weft_security_{name}_total", labels) or 0


async def test_proofs_are_counted_by_method_and_outcome(certified: World) -> None:
    """A fleet with wrong credentials is seen before its owner calls."""
    pump = device()
    token = (await certified.credentials.issue_secret(SYSTEM, pump)).token
    der = (await certified.credentials.issue_certificate(SYSTEM, pump)).certificate.der
    door = certified.door
    for method, good, bad in (
        (
            "secret",
            lambda: door.by_secret(None, token, PEER),
            lambda: door.by_secret("x", "", PEER),
        ),
        ("bearer", lambda: door.by_bearer(token, PEER), lambda: door.by_bearer("x", PEER)),
        (
            "certificate",
            lambda: door.by_certificate(der, PEER),
            lambda: door.by_certificate(b"", PEER),
        ),
    ):
        accepted = value("proofs", method=method, outcome="accepted")
        refused = value("proofs", method=method, outcome="refused")
        good()
        with pytest.raises(Unauthenticated):
            bad()
        assert value("proofs", method=method, outcome="accepted") == accepted + 1
        assert value("proofs", method=method, outcome="refused") == refused + 1


async def test_sign_ins_are_counted_by_outcome(world: World) -> None:
    """A guessing campaign shows as refused, then as throttled."""
    token = await world.people.invite_first(SYSTEM, MAIN)
    await world.sign_in.sign_up(token, "ada", PASSWORD, PEER)
    before = {o: value("sign_ins", outcome=o) for o in ("accepted", "refused", "throttled")}
    await world.sign_in.sign_in("ada", PASSWORD, PEER)
    with pytest.raises(Unauthenticated):
        await world.sign_in.sign_in("ada", "x", PEER)
    assert value("sign_ins", outcome="accepted") == before["accepted"] + 1
    assert value("sign_ins", outcome="refused") == before["refused"] + 1


async def test_cut_connections_are_counted(world: World) -> None:
    """A revocation shows how much it ended."""
    before = value("connections_cut")
    world.connect(Principal(MAIN, PrincipalKind.DEVICE, "pump-7", "uid"))
    world.revocation.end("uid", "because")
    assert value("connections_cut") == before + 1
