"""Notification policies: sound when saved, kept in versions, matched as groups are."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.connectors.support import ALICE, MAIN, OTHER, alarm
from tests.rules.support import Plant, device

from weft.errors import Forbidden, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.groups import notification_policies as module
from weft.groups.notification_policies import (
    AlarmFacts,
    Channel,
    NotifyStep,
    Policies,
    PolicyBody,
    QuietHours,
    compile_filter,
    require_address,
)
from weft.model.alarm import NOTIFICATION, Priority
from weft.model.asset import Asset
from weft.model.ids import AssetId, AssetUid, TenantId
from weft.model.moments import from_rfc3339
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role
from weft.security.policy import Policy

KEY = Principal(MAIN, PrincipalKind.KEY, "cmms", "k-1")
MAIL = NotifyStep((Channel("mail", ("shift@example.com",)),))
PRESS = Asset(
    MAIN, AssetId("press-1"), AssetUid("x"), "machine", 0, attributes={"hall": 2}, tags=("hot",)
)


def require_action(tenant: TenantId, name: str, kind: str) -> None:
    if (tenant, name, kind) != (MAIN, "mail", NOTIFICATION):
        raise Invalid(f"No connector is named {name!r}.", remedy="Configured are: mail.")


def policies_of(plant: Plant) -> Policies:
    return Policies(plant.records, plant.policy, plant.audit, plant.clock, require_action)


def body(**more: Any) -> PolicyBody:
    return PolicyBody(**({"steps": (MAIL,)} | more))


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("true", True),
        ("alarm.severity in ['major', 'critical']", True),
        ("alarm.priority == 'low'", False),
        ("'north' in alarm.assets && alarm.asset == 'press-1'", True),
        ("device.type == 'machine' && device.attributes.line == 'a'", True),
        ("device.attributes.nothing == 'a'", False),
        ("asset.attributes.hall > 1 && 'hot' in asset.tags", True),
        ("asset.attributes.hall > 'a'", False),
        ("alarm.flood || alarm.assignee == ''", True),
        ("has(device.attributes.line) && alarm.rule.startsWith('bear')", True),
    ],
)
def test_a_filter_asks_of_the_alarm_its_device_and_asset(text: str, matches: bool) -> None:
    """What is absent, or of another type, does not match: as in groups."""
    raised = alarm(assets=("north", "press-1"))
    facts = AlarmFacts(raised, device("pump-7", line="a"), PRESS)
    assert compile_filter(text).matches(facts) is matches


def test_without_a_device_or_asset_their_values_are_absent() -> None:
    """Both were deleted; the alarm is still told to whom it concerns by itself."""
    facts = AlarmFacts(alarm())
    assert compile_filter("alarm.device == 'pump-7'").matches(facts)
    for text in ("device.type == ''", "asset.kind == ''", "device.attributes.x == 1"):
        assert not compile_filter(text).matches(facts)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"filter": "alarm.severty == 'major'"}, "Column 6"),
        ({"filter": "temperature > 80"}, "filter"),
        ({"steps": (NotifyStep((Channel("pager"),)),)}, "pager"),
        ({"steps": (NotifyStep((Channel("mail", ("a@b.c\r\nBcc: x",)),)),)}, "e-mail"),
        ({"steps": (MAIL, NotifyStep(MAIL.channels, "30s"))}, "a minute or more"),
        ({"steps": (NotifyStep(MAIL.channels, "1h"), NotifyStep(MAIL.channels, "5m"))}, "minute"),
        ({"steps": (NotifyStep(MAIL.channels, "soon"),)}, "duration"),
        ({"remind": "1s"}, "minute"),
        ({"quiet": QuietHours("22:00-06:00", "Mars/North")}, "time zone"),
        ({"quiet": QuietHours("at night")}, "time of the week"),
    ],
)
async def test_what_cannot_work_is_refused_when_it_is_saved(
    change: dict[str, Any], says: str
) -> None:
    """Not at the first alarm, at night."""
    plant = Plant()
    with pytest.raises(Invalid) as caught:
        await policies_of(plant).save(ALICE, "shift", body(**change))
    assert says in f"{caught.value.detail} {caught.value.remedy}"
    assert "notification.save" not in await plant.audited()


async def test_policies_are_kept_in_versions_and_on_record() -> None:
    """Two people write one: the slower is told. A restart forgets nothing."""
    plant = Plant()
    policies = policies_of(plant)
    made = await policies.save(ALICE, "shift", body())
    again = await policies.save(ALICE, "shift", body(filter="alarm.flood"), version=made.version)
    with pytest.raises(StaleVersion):
        await policies.save(ALICE, "shift", body(), version=1)
    with pytest.raises(StaleVersion):
        await policies.save(ALICE, "new", body(), version=1)
    restarted = policies_of(plant)
    await restarted.load()
    assert restarted.list(MAIN) == [again]
    assert restarted.matching(AlarmFacts(alarm())) == []
    assert policies.list(OTHER) == []
    with pytest.raises(StaleVersion):
        await policies.delete(ALICE, "shift", version=1)
    await policies.delete(ALICE, "shift")
    with pytest.raises(NotFound):
        policies.get(MAIN, "shift")
    with pytest.raises(NotFound):
        await policies.delete(ALICE, "shift")
    acts = [act for act in await plant.audited() if act.startswith("notification.")]
    assert acts == ["notification.save", "notification.save", "notification.delete"]


def test_a_filter_says_which_rights_it_takes() -> None:
    """Who filters by the values of a device or an asset could read them that way."""
    assert compile_filter("alarm.asset == 'press-1'").rights == frozenset()
    assert compile_filter("device.attributes.line == 'a'").rights == {"device.read"}
    both = compile_filter("asset.kind == 'line' && has(device.tags)")
    assert both.rights == {"device.read", "asset.read"}


@pytest.mark.parametrize(
    ("scopes", "text", "lacks"),
    [
        ({"notifications:write"}, "true", "alarm.read"),
        ({"alarms:read"}, "device.type == 'machine'", "device.read"),
        ({"alarms:read", "devices:read"}, "asset.attributes.hall == 2", "asset.read"),
    ],
)
async def test_az_5_a_policy_is_saved_only_by_who_may_read_what_it_tells_and_asks(
    scopes: set[str], text: str, lacks: str
) -> None:
    """AZ-5: a key that may write policies reads no alarms, devices or assets through them."""
    plant, rights = Plant(), Policy()
    rights.set_key(MAIN, KEY.uid, frozenset(scopes), ())
    policies = Policies(plant.records, rights, plant.audit, plant.clock, require_action)
    with pytest.raises(Forbidden, match=lacks):
        await policies.save(KEY, "shift", body(filter=text))
    assert policies.list(MAIN) == []


async def test_az_5_a_policy_says_why_it_tells_nobody_any_more() -> None:
    """AZ-5: the owner's rights count, not those of who wrote it before; a restart keeps that."""
    plant, rights = Plant(), Policy()
    rights.set_user(MAIN, ALICE.uid, frozenset({Role.TENANT_ADMIN}))
    rights.set_key(MAIN, KEY.uid, frozenset({"alarms:read", "devices:read"}), ())
    policies = Policies(plant.records, rights, plant.audit, plant.clock, require_action)
    await policies.save(ALICE, "shift", body())
    made = await policies.save(KEY, "shift", body(filter="device.type == 'machine'"))
    assert (made.owner, policies.denied(made)) == (KEY, "")
    rights.set_key(MAIN, KEY.uid, frozenset({"alarms:read"}), ())
    restarted = Policies(plant.records, rights, plant.audit, plant.clock, require_action)
    await restarted.load()
    assert "may not device.read" in restarted.denied(restarted.get(MAIN, "shift"))
    assert list(restarted.all_denied(MAIN)) == ["shift"]
    assert restarted.all_denied(OTHER) == {}
    rights.forget(KEY.uid)
    assert "may not alarm.read" in restarted.denied(made)


async def test_az_5_a_policy_from_before_there_were_owners_waits_for_one() -> None:
    """AZ-5: nobody's rights can be asked for it, so it tells nobody until it is saved again."""
    plant = Plant()
    policies = policies_of(plant)
    made = await policies.save(ALICE, "shift", body())
    old = replace(made, owner=None)
    await plant.records.write(lambda writer: writer.put(module.POLICIES, MAIN, "shift", old))
    restarted = policies_of(plant)
    await restarted.load()
    assert "save it again" in restarted.all_denied(MAIN)["shift"]


async def test_a_tenant_has_so_many_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every alarm is held against all of them."""
    monkeypatch.setattr(module, "POLICIES_MAX", 1)
    policies = policies_of(Plant())
    await policies.save(ALICE, "shift", body())
    with pytest.raises(QuotaExceeded):
        await policies.save(ALICE, "more", body())


@pytest.mark.parametrize(
    ("priority", "at", "until"),
    [
        (Priority.HIGH, "2026-03-02T22:00:00Z", "2026-03-03T05:00:00Z"),
        (Priority.URGENT, "2026-03-02T22:00:00Z", None),
        (Priority.HIGH, "2026-03-02T12:00:00Z", None),
        (Priority.HIGH, "2026-07-02T21:00:00Z", "2026-07-03T04:00:00Z"),
    ],
)
async def test_quiet_hours_keep_to_the_wall_clock(
    priority: Priority, at: str, until: str | None
) -> None:
    """Ten in the evening to six in Berlin, winter and summer; what is urgent passes."""
    quiet = QuietHours("22:00-06:00", "Europe/Berlin")
    policy = await policies_of(Plant()).save(ALICE, "shift", body(quiet=quiet))
    found = policy.quiet_until(priority, from_rfc3339(at))
    assert found == (None if until is None else from_rfc3339(until))


def test_a_policy_survives_being_stored() -> None:
    """As JSON and back."""
    made = body(remind="1h", quiet=QuietHours("22:00-06:00"))
    assert msgspec.json.decode(msgspec.json.encode(made), type=PolicyBody) == made


@pytest.mark.parametrize("text", ["a@b.example", "a.b+c@x-y.example", "o'neil@b.example"])
def test_an_address_is_taken(text: str) -> None:
    """As people have them."""
    assert require_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a b@c.d", "a@b\n", "a@b,c@d", "<a@b.c>", '"a"@b.c', "a@b..c"]
)
def test_ss_3_what_is_no_address_is_refused(text: str) -> None:
    """Nothing that could be two addresses, or a header."""
    with pytest.raises(Invalid):
        require_address(text)
