"""Own connectors over the API: described, tried, set up, changed and taken away."""

from typing import Any

import pytest
from tests.api.support import MAIN, OTHER, World
from tests.connectors.farside import Reply, far_side
from tests.connectors.support import entry, order_of

from weft.model.alarm import WorkOrderState
from weft.rules.kinds import WORK_ORDERS
from weft.security.actions import Role
from weft.security.audit import AUDIT

KEY = "s3cret-of-the-receiver-0123456789ab"
HOOK = {"kind": "webhook", "settings": {"url": "https://alerts.example.com/weft"}}
WHOLE = {**HOOK, "secrets": {"secret": KEY}}


async def test_kinds_are_listed_with_what_a_form_needs(world: World) -> None:
    """A viewer may read them; each setting has a type and a line of help."""
    viewer = world.person("vera", Role.VIEWER)
    listed = await world.call("GET", "/connector-kinds", token=viewer)
    assert listed.status == 200
    kinds = {one["kind"]: one for one in listed.json["items"]}
    settings = {one["name"]: one for one in kinds["webhook"]["settings"]}
    assert settings["secret"] == {
        "name": "secret", "type": "text", "required": True, "default": None, "secret": True,
        "help": "at least 32 random bytes, known to the receiver", "choices": [], "of": "",
    }  # fmt: skip
    assert settings["on_close"]["choices"] == ["clear", "question", "nothing"]
    assert "allow" not in settings
    assert kinds["webhook"]["page"] == "docs/howto/receive-webhooks.md"


async def test_one_is_tried_set_up_used_changed_and_taken_away(world: World) -> None:
    """From the first trial to the last word; its secret is in no answer."""
    token, answers = world.admin(), list[bytes]()

    async def call(method: str, path: str, **more: Any) -> Any:
        answer = await world.call(method, path, token=token, **more)
        answers.append(answer.content)
        return answer

    async with far_side(lambda _asked: Reply(204, b"", {})) as side:
        body = {**WHOLE, "settings": {"url": side.url}}
        tried = await call("POST", "/connector-trials", body=body)
        assert (tried.status, tried.json["worked"]) == (200, True)
        assert "accepted" in tried.json["answer"]
        made = await call("PUT", "/connectors/alerts", body=body, headers={"If-Match": '"0"'})
        assert (made.status, made.json["version"]) == (200, 1)
        assert [one["name"] for one in made.json["secrets"]] == ["secret"]
        assert made.json["secrets"][0]["set_by"]
        tested = await call("POST", "/connectors/alerts/test")
        assert "accepted" in tested.json["answer"]
    shown = (await call("GET", "/connectors/alerts")).json
    assert (shown["own"], shown["healthy"], shown["kind"]) == (True, True, "webhook")
    settings = await call("GET", "/connectors/alerts/settings")
    assert settings.json["settings"] == {"url": side.url}
    stale = await call("PUT", "/connectors/alerts", body=body, headers={"If-Match": '"0"'})
    assert stale.status in {409, 412}
    more = {**body, "settings": {"url": side.url, "timeout_s": 3}, "secrets": {}}
    changed = await call("PUT", "/connectors/alerts", body=more, headers={"If-Match": '"1"'})
    assert (changed.status, changed.json["version"]) == (200, 2)
    tried = await call("POST", "/connector-trials", body={**more, "name": "alerts"})
    assert (tried.status, tried.json["worked"]) == (200, False)  # nobody listens any more
    assert "connection" in tried.json["answer"].lower()
    assert (await call("DELETE", "/connectors/alerts")).status == 204
    assert (await call("GET", "/connectors/alerts")).status == 404
    assert not any(KEY.encode() in answer for answer in answers)
    audit = await world.records.read(lambda r: str(r.list(AUDIT, MAIN)))
    assert KEY not in audit


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.PLATFORM_ADMIN])
async def test_only_a_tenants_administrator_sets_one_up(world: World, role: Role) -> None:
    """Nor are settings shown to anybody else: an address of the plant stands in them."""
    await world.call("PUT", "/connectors/alerts", token=world.admin(), body=WHOLE)
    token = world.person("somebody", role)
    for method, path, body in (
        ("PUT", "/connectors/other", WHOLE),
        ("GET", "/connectors/alerts/settings", None),
        ("DELETE", "/connectors/alerts", None),
        ("POST", "/connector-trials", WHOLE),
    ):
        assert (await world.call(method, path, token=token, body=body)).status == 403


async def test_tn_1_another_tenants_is_answered_like_one_that_does_not_exist(world: World) -> None:
    """Read, changed, tried, deleted: a name is worth nothing to a stranger."""
    await world.call("PUT", "/connectors/alerts", token=world.admin(), body=WHOLE)
    stranger = world.admin(OTHER)
    for method, path, body in (
        ("GET", "/connectors/alerts", None),
        ("GET", "/connectors/alerts/settings", None),
        ("DELETE", "/connectors/alerts?force=true", None),
        ("POST", "/connectors/alerts/test", None),
        ("POST", "/connector-trials", {**HOOK, "name": "alerts"}),
    ):
        answer = await world.call(method, path, token=stranger, body=body)
        other = await world.call(
            method,
            path.replace("alerts", "nothing"),
            token=stranger,
            body=body and {**body, "name": "nothing"},
        )
        assert answer.status == other.status == 404
        assert answer.json["detail"].replace("alerts", "nothing") == other.json["detail"]
    made = await world.call("PUT", "/connectors/alerts", token=stranger, body=WHOLE)
    assert made.json["version"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**WHOLE, "settings": {**HOOK["settings"], "allow": ["10.0.0.0/8"]}}, "not for a tenant"),  # type: ignore[dict-item]
        ({**HOOK, "secrets": {"secret": "file:/etc/passwd"}}, "names where a secret stands"),
        ({**HOOK, "secrets": {"secret": "env:HOME"}}, "names where a secret stands"),
        ({**HOOK, "secrets": {}}, "'secret' is missing"),
        ({**WHOLE, "kind": "abacus"}, "no kind 'abacus'"),
        ({**WHOLE, "secrets": {"secret": KEY, "colour": "x"}}, "'colour' is no secret"),
        ({**WHOLE, "settings": {"url": HOOK, "secret": KEY}}, "settings hold none"),
        ({**HOOK, "secrets": {"secret": "x" * 16_001}}, "16000"),
    ],
)
async def test_what_cannot_be_is_refused_with_what_to_do(
    world: World, body: dict[str, Any], words: str
) -> None:
    """As a trial and as a change; the answer repeats no secret."""
    for method, path in (("PUT", "/connectors/alerts"), ("POST", "/connector-trials")):
        answer = await world.call(method, path, token=world.admin(), body=body)
        assert answer.status == 422
        assert words in answer.json["detail"]
        assert KEY not in answer.content.decode()


async def test_what_uses_it_is_named_before_it_goes(world: World) -> None:
    """A rule names it: refused, unless it is forced."""
    token = world.admin()
    await world.call("PUT", "/connectors/alerts", token=token, body=WHOLE)
    world.rules.check_actions_with(world.connectors.require_action)
    rule = {
        "name": "hot",
        "when": "temperature > 80",
        "actions": [{"webhook": {"connector": "alerts"}}],
    }
    assert (await world.call("POST", "/rules", token=token, body=rule)).status == 201
    refused = await world.call("DELETE", "/connectors/alerts", token=token)
    assert refused.status == 409
    assert "rules hot" in refused.json["detail"]
    assert "force" in refused.json["remedy"]
    forced = await world.call("DELETE", "/connectors/alerts?force=true", token=token)
    assert forced.status == 204


async def test_another_system_is_refused_while_orders_are_open_at_the_one_before(
    world: World,
) -> None:
    """The answer says what is open and what to do; with force the address changes."""
    token = world.admin()
    await world.call("PUT", "/connectors/alerts", token=token, body=WHOLE)
    place = world.connectors.require(MAIN, "alerts").place
    order = order_of(entry(connector="alerts"), state=WorkOrderState.OPEN, place=place)
    await world.records.write(lambda w: w.put(WORK_ORDERS, MAIN, order.work_order_id, order))
    moved = {**WHOLE, "settings": {"url": "https://elsewhere.example.com/weft"}}
    refused = await world.call("PUT", "/connectors/alerts", token=token, body=moved)
    assert refused.status == 409
    assert "1 of its work orders open" in refused.json["detail"]
    assert "another name" in refused.json["remedy"]
    forced = await world.call("PUT", "/connectors/alerts?force=true", token=token, body=moved)
    assert forced.status == 200
    left = await world.records.read(lambda r: r.get(WORK_ORDERS, MAIN, order.work_order_id))
    assert "not followed" in left.value.remarks[0].text
