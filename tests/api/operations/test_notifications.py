"""Notification policies over the API: saved, shown, changed, deleted."""

import pytest
from tests.api.support import MAIN, OTHER, World
from tests.connectors.support import FakeConnector

from weft.connectors.registry import Configured, Connectors, Healths
from weft.model.alarm import NOTIFICATION
from weft.security.actions import Role

POLICY = {
    "filter": "alarm.severity in ['major', 'critical']",
    "steps": [
        {"channels": [{"connector": "mail", "to": ["shift@example.com"]}]},
        {"after": "15m", "channels": [{"connector": "mail"}]},
    ],
    "remind": "1h",
    "quiet": {"times": "22:00-06:00", "zone": "Europe/Berlin", "unless": "urgent"},
}
PATH = "/notification-policies/shift"


@pytest.fixture(autouse=True)
def _mail(world: World) -> None:
    """The world has a mail server for its main tenant."""
    mail = FakeConnector("mail", actions=frozenset({NOTIFICATION}))
    found = Configured(mail, frozenset({MAIN}), "smtp://mail.example", Healths())
    world.policies._require_action = Connectors({"mail": found}).require_action


async def test_a_policy_is_saved_shown_changed_and_deleted(world: World) -> None:
    """Two people write it: the slower is told."""
    token = world.admin()
    made = await world.call("PUT", PATH, token=token, body=POLICY)
    assert (made.status, made.json["steps"], made.json["enabled"]) == (200, 2, True)
    assert made.json["document"]["steps"][0]["channels"][0]["to"] == ["shift@example.com"]
    tag = {"if-match": made.headers["etag"]}
    off = await world.call("PUT", PATH, token=token, body=POLICY | {"enabled": False}, headers=tag)
    assert (off.json["enabled"], off.json["version"]) == (False, 2)
    assert (await world.call("PUT", PATH, token=token, body=POLICY, headers=tag)).status == 412
    listed = await world.call("GET", "/notification-policies", token=token)
    assert [one["name"] for one in listed.json["items"]] == ["shift"]
    assert (await world.call("DELETE", PATH, token=token)).status == 204
    assert (await world.call("GET", PATH, token=token)).status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"filter": "alarm.severty == 'major'"},
        {"steps": []},
        {"steps": [{"channels": []}]},
        {"steps": [{"channels": [{"connector": "pager"}]}]},
        {"steps": [{"channels": [{"connector": "mail", "to": ["a@b\r\nBcc: c@d"]}]}]},
        {"quiet": {"times": "at night"}},
        {"remind": "1s"},
        {"who": "everybody"},
    ],
)
async def test_a_policy_that_cannot_work_is_refused(
    world: World, change: dict[str, object]
) -> None:
    """With 422, and nothing is kept."""
    token = world.admin()
    assert (await world.call("PUT", PATH, token=token, body=POLICY | change)).status == 422
    assert (await world.call("GET", PATH, token=token)).status == 404


async def test_only_who_may_sees_and_writes_them(world: World) -> None:
    """Operators read; viewers see no addresses; another tenant finds nothing (TN-1)."""
    await world.call("PUT", PATH, token=world.admin(), body=POLICY)
    operator, viewer = world.person("otto", Role.OPERATOR), world.person("vera", Role.VIEWER)
    assert (await world.call("GET", PATH, token=operator)).status == 200
    assert (await world.call("PUT", PATH, token=operator, body=POLICY)).status == 403
    assert (await world.call("GET", PATH, token=viewer)).status == 403
    other = world.admin(OTHER)
    assert (await world.call("GET", PATH, token=other)).status == 404
    assert (await world.call("DELETE", PATH, token=other)).status == 404
    assert (await world.call("PUT", PATH, token=other, body=POLICY)).status == 422


async def test_az_5_a_policy_shows_its_owner_and_why_it_tells_nobody(world: World) -> None:
    """AZ-5: the owner's role is taken away; who looks at the policy reads it there."""
    token = world.admin()
    made = await world.call("PUT", PATH, token=token, body=POLICY)
    assert (made.json["owner"], made.json["denied"]) == (made.json["updated_by"], "")
    owner = world.policies.get(MAIN, "shift").owner
    assert owner is not None
    world.policy.set_user(MAIN, owner.uid, frozenset({Role.PLATFORM_ADMIN}))
    second = world.person("second", Role.TENANT_ADMIN)
    (shown,) = (await world.call("GET", "/notification-policies", token=second)).json["items"]
    assert "may not alarm.read" in shown["denied"]
