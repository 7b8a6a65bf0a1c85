"""Handling alarms over the API: assign, comment, prioritise, shelve, history, counts."""

import pytest
from tests.api.operations.test_alarms import raised as raised_alarm
from tests.api.support import MAIN, OTHER, World

from weft.model.ids import UserId
from weft.security.actions import Role
from weft.security.people import USERS, User


async def raised(world: World) -> str:
    user = User(MAIN, UserId("admin"), "u-admin", (Role.TENANT_ADMIN,), "", 0)
    await world.records.write(lambda w: w.insert(USERS, MAIN, user.uid, user))
    return await raised_alarm(world)


async def test_an_alarm_is_handled_from_taking_to_history(world: World) -> None:
    """The admin takes it, talks about it, raises its priority and puts it aside."""
    token = await raised(world)
    posts = (
        ("assign", {"user": "admin"}, "assignee", "admin"),
        ("comments", {"comment": "spare part ordered"}, "assignee", "admin"),
        ("priority", {"priority": "urgent"}, "priority", "urgent"),
        ("priority", {"priority": None}, "priority", "high"),
        ("unshelve", None, "shelved", None),
    )
    for path, body, field, value in posts:
        done = await world.call("POST", f"/alarms/a-1/{path}", token=token, body=body)
        assert (done.status, done.json[field]) == (200, value), path
    aside = await world.call(
        "POST", "/alarms/a-1/shelve", token=token, body={"duration": "8h", "reason": "loose"}
    )
    assert (aside.json["shelved"]["reason"], aside.json["shelved"]["by"]) == ("loose", "user:admin")
    history = await world.call("GET", "/alarms/a-1/history", token=token)
    assert [one["kind"] for one in history.json["items"]] == [
        "assigned", "commented", "prioritised", "prioritised", "shelved"
    ]  # fmt: skip
    assert history.json["items"][1]["text"] == "spare part ordered"


async def test_filters_and_counts_follow_the_handling(world: World) -> None:
    """What is aside is in its own count; filters find it by whose it is and how urgent."""
    token = await raised(world)
    counts = await world.call("GET", "/alarms/counts", token=token)
    assert counts.json["severities"]["major"] == {"active": 1, "acknowledged": 0}
    assert counts.json["shelved"] == 0
    await world.call("POST", "/alarms/a-1/assign", token=token, body={"user": "admin"})
    body = {"duration": "30m", "reason": "test"}
    await world.call("POST", "/alarms/a-1/shelve", token=token, body=body)
    counts = await world.call("GET", "/alarms/counts", token=token)
    assert counts.json["severities"]["major"] == {"active": 0, "acknowledged": 0}
    assert counts.json["shelved"] == 1
    for query, count in (
        ("assignee=admin", 1),
        ("assignee=", 0),
        ("priority=high", 1),
        ("priority=low", 0),
        ("shelved=true", 1),
        ("shelved=false", 0),
        ("open=true&severity=major", 1),
        ("open=false", 0),
        ("asset=press-1", 0),
    ):
        found = await world.call("GET", f"/alarms?{query}", token=token)
        assert len(found.json["items"]) == count, query


async def test_who_read_an_older_version_is_told(world: World) -> None:
    """Two operators, one alarm: If-Match tells the slower one."""
    token = await raised(world)
    seen = await world.call("GET", "/alarms/a-1", token=token)
    tag = {"if-match": seen.headers["etag"]}
    body = {"duration": "8h", "reason": "loose"}
    assert (
        await world.call("POST", "/alarms/a-1/shelve", token=token, body=body, headers=tag)
    ).status == 200
    for path, late in (
        ("assign", {"user": "admin"}),
        ("priority", {"priority": "low"}),
        ("shelve", body),
        ("unshelve", {}),
    ):
        answer = await world.call(
            "POST", f"/alarms/a-1/{path}", token=token, body=late, headers=tag
        )
        assert answer.status == 412, path


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("assign", {"user": "nobody-here"}),
        ("comments", {"comment": ""}),
        ("comments", {"comment": "x" * 1001}),
        ("priority", {"priority": "asap"}),
        ("shelve", {"duration": "for ever", "reason": "why"}),
        ("shelve", {"duration": "8h", "reason": ""}),
        ("shelve", {"duration": "40d", "reason": "why"}),
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, path: str, body: object) -> None:
    """With 422 and what to do, and nothing changes."""
    token = await raised(world)
    answer = await world.call("POST", f"/alarms/a-1/{path}", token=token, body=body)
    assert answer.status == 422
    assert (await world.call("GET", "/alarms/a-1", token=token)).json["version"] == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("assign", {"user": None}),
        ("comments", {"comment": "hello"}),
        ("priority", {"priority": "low"}),
        ("shelve", {"duration": "8h", "reason": "why"}),
        ("unshelve", {}),
    ],
)
async def test_viewers_and_other_tenants_handle_nothing(
    world: World, path: str, body: object
) -> None:
    """A viewer is refused; for another tenant the alarm is not there (TN-1)."""
    await raised(world)
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("POST", f"/alarms/a-1/{path}", token=viewer, body=body)).status == 403
    other = world.admin(OTHER)
    assert (await world.call("POST", f"/alarms/a-1/{path}", token=other, body=body)).status == 404
    assert (await world.call("GET", "/alarms/a-1/history", token=other)).status == 404
