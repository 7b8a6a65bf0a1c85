from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.security.support import ADMIN, MAIN, OTHER, SYSTEM

from weft.errors import Forbidden
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import ACTIONS, SCOPES, TOPIC_ACTIONS, Role
from weft.security.filters import Direction, Effect, Grant
from weft.security.policy import Policy, require

PUMP = Principal(MAIN, PrincipalKind.DEVICE, "pump-7", "uid-pump")
ERP = Principal(MAIN, PrincipalKind.KEY, "erp", "uid-erp")


@pytest.fixture
def policy() -> Policy:
    policy = Policy()
    policy.set_device(MAIN, PUMP.uid, active=True)
    policy.set_user(MAIN, ADMIN.uid, frozenset({Role.TENANT_ADMIN}))
    policy.set_key(MAIN, ERP.uid, frozenset({"telemetry:read"}), ())
    return policy


def test_az_1_who_is_not_known_may_do_nothing() -> None:
    """Deny by default: an empty policy allows nobody anything, but Weft itself."""
    policy = Policy()
    for action in ACTIONS:
        for principal in (PUMP, ADMIN, ERP):
            assert not policy.decide(principal, action, "topic:devices/pump-7/telemetry").allowed


def test_az_1_an_undeclared_action_is_denied_even_to_weft(policy: Policy) -> None:
    """A name outside the table opens nothing."""
    assert not policy.decide(SYSTEM, "device.explode", "*").allowed
    assert not policy.decide(ADMIN, "", "*").allowed


DEVICE_TOPICS = [
    ("topic.publish", "devices/pump-7/telemetry", True),
    ("topic.publish", "devices/pump-7/properties/reported", True),
    ("topic.publish", "devices/pump-7/events/started", True),
    ("topic.publish", "devices/pump-7/commands/r1/result", True),
    ("topic.receive", "devices/pump-7/properties/desired", True),
    ("topic.receive", "devices/pump-7/commands/r1/open", True),
    ("topic.subscribe", "devices/pump-7/commands/#", True),
    ("topic.subscribe", "devices/pump-7/commands/+/+", True),
    ("topic.subscribe", "devices/pump-7/properties/desired", True),
    ("topic.publish", "devices/pump-8/telemetry", False),
    ("topic.publish", "devices/pump-7", False),
    ("topic.publish", "devices/pump-7/", False),
    ("topic.publish", "devices/pump-7/properties/desired", False),
    ("topic.publish", "devices/pump-7/commands/r1/open", False),
    ("topic.publish", "devices/pump-7/events/a/b", False),
    ("topic.publish", "devices/pump-70/telemetry", False),
    ("topic.publish", "plant/anything", False),
    ("topic.publish", "$SYS/broker", False),
    ("topic.receive", "devices/pump-8/commands/r1/open", False),
    ("topic.subscribe", "#", False),
    ("topic.subscribe", "devices/#", False),
    ("topic.subscribe", "devices/+/commands/#", False),
    ("topic.subscribe", "devices/pump-7/#", True),
    ("topic.receive", "devices/pump-7/telemetry", True),
    ("topic.subscribe", "devices/pump-7", False),
    ("topic.subscribe", "$share/g/devices/+/telemetry", False),
]


@pytest.mark.parametrize(("action", "topic", "allowed"), DEVICE_TOPICS)
def test_az_7_a_device_has_its_own_topics_and_no_others(
    policy: Policy, action: str, topic: str, allowed: bool
) -> None:
    """A new device may report, and hear what is meant for it; nothing else exists for it."""
    assert policy.decide(PUMP, action, f"topic:{topic}").allowed is allowed


@given(st.text(max_size=40))
def test_id_4_no_topic_reaches_another_device(text: str) -> None:
    """Whatever a device publishes to, it is below its own name or refused."""
    policy = Policy()
    policy.set_device(MAIN, PUMP.uid, active=True)
    if policy.decide(PUMP, "topic.publish", f"topic:{text}").allowed:
        assert text.startswith("devices/pump-7/")


def test_az_7_a_device_acts_on_itself_alone(policy: Policy) -> None:
    """It reads its own twin; another's, or all of them, it does not."""
    assert policy.decide(PUMP, "twin.read", "device:pump-7").allowed
    assert not policy.decide(PUMP, "twin.read", "device:pump-8").allowed
    assert not policy.decide(PUMP, "twin.read", "*").allowed
    assert not policy.decide(PUMP, "twin.write", "device:pump-7").allowed


def test_tn_1_a_principal_of_one_tenant_has_no_rights_in_another(policy: Policy) -> None:
    """The same uid with another tenant's name on it is nobody."""
    for one in (PUMP, ADMIN, ERP):
        forged = Principal(OTHER, one.kind, one.id, one.uid)
        for action in ACTIONS:
            assert not policy.decide(forged, action, "topic:devices/pump-7/telemetry").allowed


def test_rv_2_a_suspended_device_has_no_cached_right(policy: Policy) -> None:
    """What was allowed a moment ago is denied now; the version says that all is stale."""
    target = "topic:devices/pump-7/telemetry"
    before = policy.decide(PUMP, "topic.publish", target)
    policy.set_device(MAIN, PUMP.uid, active=False)
    after = policy.decide(PUMP, "topic.publish", target)

    assert before.allowed
    assert not after.allowed
    assert after.version > before.version


def test_the_version_grows_with_changes_only(policy: Policy) -> None:
    """Telling the policy what it knows already does not make everybody look up again."""
    version = policy.version
    policy.set_device(MAIN, PUMP.uid, active=True)
    policy.set_device(MAIN, "uid-of-nobody", active=False)
    assert policy.version == version
    policy.set_device(MAIN, PUMP.uid, active=False)
    assert policy.version > version


def test_watchers_hear_of_every_change(policy: Policy) -> None:
    """Stored subscriptions are looked at again (AZ-4)."""
    heard: list[int] = []
    policy.watch(heard.append)
    policy.bump()
    policy.forget(ERP.uid)
    assert heard == [policy.version - 1, policy.version]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("action", sorted(set(ACTIONS) - TOPIC_ACTIONS))
def test_az_1_a_role_may_do_what_the_table_says(action: str, role: Role) -> None:
    """Every action and every role, decided as declared."""
    policy = Policy()
    policy.set_user(MAIN, ADMIN.uid, frozenset({role}))
    assert policy.decide(ADMIN, action, "*").allowed is (role in ACTIONS[action].roles)


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_az_6_a_key_does_what_its_scope_says_and_nothing_of_people(scope: str) -> None:
    """The whole matrix of scopes and actions."""
    policy = Policy()
    policy.set_key(MAIN, ERP.uid, frozenset({scope}), ())
    for name, action in ACTIONS.items():
        if name not in TOPIC_ACTIONS:
            assert policy.decide(ERP, name, "*").allowed is (action.scope == scope), name


def test_a_scope_opens_the_topics_of_the_same_data(policy: Policy) -> None:
    """A key that may read telemetry may subscribe to it, and not publish it."""
    assert policy.decide(ERP, "topic.subscribe", "topic:devices/+/telemetry").allowed
    assert policy.decide(ERP, "topic.receive", "topic:devices/pump-7/telemetry").allowed
    assert not policy.decide(ERP, "topic.publish", "topic:devices/pump-7/telemetry").allowed
    assert not policy.decide(ERP, "topic.subscribe", "topic:devices/#").allowed


def test_a_key_that_may_read_commands_may_follow_them_and_publish_none(policy: Policy) -> None:
    """What a device is asked and what it answers; sending goes through the service."""
    policy.set_key(MAIN, ERP.uid, frozenset({"commands:read", "commands:write"}), ())
    assert policy.decide(ERP, "topic.subscribe", "topic:devices/+/commands/#").allowed
    topic = "topic:devices/pump-7/commands/r-1/restart"
    assert policy.decide(ERP, "topic.receive", topic).allowed
    assert not policy.decide(ERP, "topic.publish", topic).allowed


def test_a_key_has_its_grants(policy: Policy) -> None:
    """Grants are the topics of a tenant's own, and denials among them."""
    grants = (Grant(Direction.BOTH, "plant/#"), Grant(Direction.BOTH, "plant/x", Effect.DENY))
    policy.set_key(MAIN, ERP.uid, frozenset(), grants)
    assert policy.decide(ERP, "topic.publish", "topic:plant/hall").allowed
    assert not policy.decide(ERP, "topic.publish", "topic:plant/x").allowed
    assert not policy.decide(ERP, "device.read", "*").allowed


def test_people_see_topics_by_role() -> None:
    """A viewer hears everything of the tenant and says nothing."""
    policy = Policy()
    policy.set_user(MAIN, ADMIN.uid, frozenset({Role.VIEWER}))
    assert policy.decide(ADMIN, "topic.subscribe", "topic:#").allowed
    assert not policy.decide(ADMIN, "topic.publish", "topic:plant/x").allowed
    policy.set_user(MAIN, ADMIN.uid, frozenset({Role.PLATFORM_ADMIN}))
    assert not policy.decide(ADMIN, "topic.subscribe", "topic:plant/x").allowed
    policy.set_user(MAIN, ADMIN.uid, frozenset({Role.TENANT_ADMIN}))
    assert policy.decide(ADMIN, "topic.publish", "topic:plant/x").allowed


def test_a_topic_action_needs_a_topic(policy: Policy) -> None:
    """`device:…` is no topic, whoever asks."""
    assert not policy.decide(PUMP, "topic.publish", "device:pump-7").allowed
    assert not policy.decide(ADMIN, "topic.publish", "*").allowed


def test_a_rule_has_no_rights_of_its_own(policy: Policy) -> None:
    """AZ-5: its owner is asked instead, so that it never does what the owner may not."""
    rule = Principal(MAIN, PrincipalKind.RULE, "hot", "uid-rule")
    assert not policy.decide(rule, "rule.act", "connector:erp").allowed


def test_require_says_who_may_not_and_why(policy: Policy) -> None:
    """The refused person reads what to ask for."""
    require(policy, ADMIN, "device.create", "*")
    with pytest.raises(Forbidden, match=r"key:erp may not device\.create \*"):
        require(policy, ERP, "device.create", "*")


def test_explain_reads_as_a_sentence(policy: Policy) -> None:
    """For the person who asks why."""
    reason = policy.explain(PUMP, "twin.read", "device:pump-8").reason
    assert (
        reason == "device:pump-7 may not twin.read device:pump-8: a device may only act on "
        "itself, and a gateway on its devices."
    )


def test_many_devices_are_learned_at_once() -> None:
    """A start with a fleet is one change, not a hundred thousand."""
    policy = Policy()
    policy.set_devices((MAIN, f"uid-{n}") for n in range(1_000))
    assert policy.version == 2
    one = Principal(MAIN, PrincipalKind.DEVICE, "d", "uid-999")
    assert policy.decide(one, "topic.publish", "topic:devices/d/telemetry").allowed


def test_a_thousand_new_devices_make_nobody_look_up_again(policy: Policy) -> None:
    """A gateway introduces children: nothing was decided on them, so nothing is stale."""
    policy.decide(PUMP, "topic.publish", "topic:devices/pump-7/telemetry")
    version, judged = policy.version, counted(policy)
    for number in range(1_000):
        policy.set_gateway(MAIN, f"room-{number}", PUMP.uid)
        policy.set_device(MAIN, f"uid-{number}", active=True)
        policy.decide(PUMP, "topic.publish", "topic:devices/pump-7/telemetry")
    assert policy.version == version
    assert not judged
    assert policy.decide(PUMP, "topic.publish", "topic:devices/room-9/telemetry").allowed
    child = Principal(MAIN, PrincipalKind.DEVICE, "room-9", "uid-9")
    assert policy.decide(child, "topic.publish", "topic:devices/room-9/telemetry").allowed


def test_who_was_refused_before_is_let_in_at_once(policy: Policy) -> None:
    """A right that somebody was told not to have is looked up again, here and elsewhere."""
    child = Principal(MAIN, PrincipalKind.DEVICE, "room-1", "uid-1")
    asked = [
        (child, "topic.publish", "topic:devices/room-1/telemetry"),
        (PUMP, "topic.publish", "topic:devices/room-1/telemetry"),
        (PUMP, "twin.read", "device:room-1"),
    ]
    assert not any(policy.decide(*one).allowed for one in asked)
    version = policy.version
    policy.set_gateway(MAIN, "room-1", PUMP.uid)
    assert policy.version > version
    assert [policy.decide(*one).allowed for one in asked] == [False, True, True]
    version = policy.version
    policy.set_device(MAIN, "uid-1", active=True)
    assert policy.version > version
    assert all(policy.decide(*one).allowed for one in asked)


def test_rv_2_no_right_that_ends_is_left_standing(policy: Policy) -> None:
    """Each way that one ends raises the version, whether or not it was looked up before."""
    policy.set_waiting(MAIN, "uid-2")
    waiting = Principal(MAIN, PrincipalKind.DEVICE, "new-2", "uid-2")
    assert policy.decide(waiting, "telemetry.write", "device:new-2").allowed
    policy.set_gateway(MAIN, "room-1", PUMP.uid)
    ways: list[Callable[[], None]] = [
        lambda: policy.set_device(MAIN, "uid-2", active=False),
        lambda: policy.set_gateway(MAIN, "room-1", "uid-of-another"),
        lambda: policy.set_gateway(MAIN, "room-1", ""),
        lambda: policy.set_device(MAIN, PUMP.uid, active=False),
        lambda: policy.forget(PUMP.uid),
        lambda: policy.set_key(MAIN, ERP.uid, frozenset(), ()),
        lambda: policy.set_user(MAIN, ADMIN.uid, frozenset()),
    ]
    for way in ways:
        version = policy.version
        way()
        assert policy.version > version
    assert not policy.decide(waiting, "telemetry.write", "device:new-2").allowed


ACTS = st.lists(
    st.tuples(st.sampled_from(["active", "inactive", "waiting", "speaks", "mute", "forget"]),
              st.integers(0, 2), st.integers(0, 2)),
    max_size=30,
)  # fmt: skip


@given(ACTS)
def test_rv_2_what_is_remembered_at_a_version_is_what_is_decided(
    acts: list[tuple[str, int, int]],
) -> None:
    """Against a policy without memory: whoever keeps a decision while the version stands is right.

    Sessions, plans and the policy's own cache do just that.
    """
    policy = Policy()
    devices = [Principal(MAIN, PrincipalKind.DEVICE, f"d{n}", f"uid-{n}") for n in range(3)]
    asked = [
        (one, action, target)
        for one in devices
        for number in range(3)
        for action, target in (
            ("topic.publish", f"topic:devices/d{number}/telemetry"),
            ("telemetry.write", f"device:d{number}"),
        )
    ]
    kept: dict[tuple[Principal, str, str], bool] = {}
    version = policy.version
    for act, first, second in acts:
        uid, name = devices[first].uid, devices[second].id
        match act:
            case "active" | "inactive":
                policy.set_device(MAIN, uid, active=act == "active")
            case "waiting":
                policy.set_waiting(MAIN, uid)
            case "speaks":
                policy.set_gateway(MAIN, name, uid)
            case "mute":
                policy.set_gateway(MAIN, name, "")
            case _:
                policy.forget(uid)
        if policy.version != version:
            kept.clear()
            version = policy.version
        for one in asked[first::2]:
            afresh = policy.explain(*one).allowed
            assert policy.decide(*one).allowed is afresh
            assert kept.setdefault(one, afresh) is afresh


def test_what_was_asked_is_remembered_in_bounded_memory(
    policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is full, every change counts as one that somebody has asked about."""
    monkeypatch.setattr("weft.security.policy.ASKED_MAX", 3)
    for number in range(10):
        one = Principal(MAIN, PrincipalKind.DEVICE, f"d{number}", f"uid-{number}")
        assert not policy.decide(one, "telemetry.write", f"device:d{number}").allowed
    version = policy.version
    policy.set_device(MAIN, "uid-9", active=True)
    assert policy.version > version
    policy.set_device(MAIN, "uid-never-asked", active=True)
    assert policy.version == version + 1


def counted(policy: Policy) -> list[str]:
    """The targets that the policy has judged from now on, past its cache."""
    judged: list[str] = []
    judge = policy._judge

    def noting(principal: Principal, action: str, target: str) -> tuple[bool, str]:
        judged.append(target)
        return judge(principal, action, target)

    policy._judge = noting  # type: ignore[method-assign]
    return judged


def test_the_cache_is_bounded(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of topics costs no memory without end."""
    monkeypatch.setattr("weft.security.policy.CACHE_MAX", 10)
    for number in range(100):
        policy.decide(PUMP, "topic.publish", f"topic:{number}")
    assert len(policy._cache) <= 10


def test_only_an_active_device_of_its_own_tenant_is_active(policy: Policy) -> None:
    """The door asks before the first packet is answered."""
    assert policy.is_active(MAIN, PUMP.uid)
    assert not policy.is_active(OTHER, PUMP.uid)
    assert not policy.is_active(MAIN, ADMIN.uid)


def test_az_7_a_gateway_speaks_for_its_devices_and_for_no_other(policy: Policy) -> None:
    """It is the same right as the device's own; it ends when the device leaves the gateway."""
    policy.set_gateway(MAIN, "room-1", PUMP.uid)
    allowed = [
        ("topic.publish", "topic:devices/room-1/telemetry"),
        ("topic.subscribe", "topic:devices/room-1/#"),
        ("topic.subscribe", "topic:$share/g/devices/room-1/commands/#"),
        ("topic.receive", "topic:devices/room-1/commands/r1/open"),
        ("twin.read", "device:room-1"),
    ]
    for action, target in allowed:
        assert policy.decide(PUMP, action, target).allowed, target
    for action, target in [
        ("topic.publish", "topic:devices/room-2/telemetry"),
        ("topic.publish", "topic:devices/room-1/properties/desired"),
        ("topic.subscribe", "topic:devices/+/telemetry"),
        ("device.delete", "device:room-1"),
    ]:
        assert not policy.decide(PUMP, action, target).allowed, target
    policy.set_gateway(MAIN, "room-1", "")
    for action, target in allowed:
        assert not policy.decide(PUMP, action, target).allowed, target


def test_tn_1_a_gateway_of_another_tenant_speaks_for_nobody_here(policy: Policy) -> None:
    """The same names, another tenant."""
    policy.set_gateways([(OTHER, "room-1", PUMP.uid)])
    assert not policy.decide(PUMP, "topic.publish", "topic:devices/room-1/telemetry").allowed
