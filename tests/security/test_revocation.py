from tests.security.support import MAIN, World

from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role

PUMP = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", "uid-pump")
TOPIC = "topic:devices/pump-7/telemetry"


def test_rv_1_ending_a_right_denies_and_cuts_in_one_turn(world: World) -> None:
    """When the call returns, there is no connection and no allowed decision."""
    heard: list[str] = []
    world.revocation.listen(heard.append)
    world.revocation.device_changed(MAIN, PUMP.uid, active=True)
    _, cuts = world.connect(PUMP)
    assert world.policy.decide(PUMP, "topic.publish", TOPIC).allowed

    assert world.revocation.end(PUMP.uid, "the device was deleted") == 1

    assert cuts == ["the device was deleted"]
    assert heard == [PUMP.uid]
    assert not world.policy.decide(PUMP, "topic.publish", TOPIC).allowed


def test_rv_1_a_suspended_device_is_cut_and_an_activated_one_is_not(world: World) -> None:
    """Lifecycle changes come here from the registry."""
    world.revocation.device_changed(MAIN, PUMP.uid, active=True)
    _, cuts = world.connect(PUMP)
    assert world.revocation.device_changed(MAIN, PUMP.uid, active=True) == 0
    assert cuts == []
    assert world.revocation.device_changed(MAIN, PUMP.uid, active=False) == 1
    assert cuts == ["the device is no longer active"]


def test_rv_2_who_must_prove_anew_keeps_rights_but_no_cached_decision(world: World) -> None:
    """One of two credentials was revoked: cut, stale, and welcome with the other."""
    world.policy.set_user(MAIN, "uid-ada", frozenset({Role.VIEWER}))
    ada = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
    _, cuts = world.connect(ada)
    version = world.policy.version
    world.revocation.renew(ada.uid, "a credential was revoked")
    assert cuts == ["a credential was revoked"]
    assert world.policy.version > version
    assert world.policy.decide(ada, "device.read", "*").allowed
