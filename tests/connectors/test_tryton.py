"""The Tryton connector against a far side that misbehaves in every way that is known.

Each story ends with exactly one task: the far side here is the stand-in's department, with
faults put between it and the connector.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.farside import Asked, FarSide, Reply, as_json, far_side
from tests.connectors.support import NOON, Plant, alarm, entry, order_of, tools

from weft.connectors.mapping import key_line
from weft.connectors.standin import Department, _shown
from weft.connectors.tryton import TrytonConnector, TrytonSettings
from weft.errors import ConfigurationError, ConnectorError
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import WorkOrderId

Fault = Callable[[Asked, Callable[[], Reply]], Reply]


def department_reply(department: Department, asked: Asked) -> Reply:
    """Answer as Tryton does."""
    if asked.path.endswith("/project.work") and asked.method == "GET":
        domain = json.loads(base64.urlsafe_b64decode(asked.query["d"][0]))
        return as_json([_shown(task) for task in department.search(domain, 100)])
    if asked.path.endswith("/project.work"):
        return as_json(_shown(department.add(asked.json(), NOON)))
    if asked.path.endswith("/ir.chat.channel/get"):
        task = department.get(int(asked.json()["resource"].split(",")[1]))
        return as_json([{"content": note} for note in task.notes])
    if asked.path.endswith("/ir.chat.channel/post"):
        task = department.get(int(asked.json()["resource"].split(",")[1]))
        task.notes.append(asked.json()["content"])
        return as_json(1)
    return as_json([{"id": 1, "name": "Open"}])


class Faulty:
    """A department behind a list of faults; when they are used up, all is well."""

    def __init__(self, *faults: Fault) -> None:
        self.department = Department(repair_after_s=0)
        self.faults = list(faults)

    def __call__(self, asked: Asked) -> Reply:
        def answer() -> Reply:
            return department_reply(self.department, asked)

        return self.faults.pop(0)(asked, answer) if self.faults else answer()


def instead(reply: Reply) -> Fault:
    """Say this, and do nothing."""
    return lambda _asked, _answer: reply


def after_doing(reply: Reply) -> Fault:
    """Do what was asked, and say this: the answer got lost."""

    def fault(_asked: Asked, answer: Callable[[], Reply]) -> Reply:
        answer()
        return reply

    return fault


def well(_asked: Asked, answer: Callable[[], Reply]) -> Reply:
    return answer()


@asynccontextmanager
async def plant_before(folder: Path, far: Faulty) -> AsyncIterator[tuple[Plant, FarSide]]:
    async with far_side(far) as side:
        made, key = tools(folder)
        settings = TrytonSettings(url=side.url, database="plant", key=key, timeout_s=0.3)
        yield Plant(TrytonConnector("erp", settings, made)), side


async def deliver_until_done(plant: Plant, turns: int = 6) -> Any:
    item = entry()
    await plant.put(item, raised=alarm())
    for _ in range(turns):
        await plant.outbox.deliver_due()
        plant.clock.turn(3_700)
    return await plant.entry(item)


JSON = {"Content-Type": "application/json"}
NEVER = Reply(hang=True)
ODD_ANSWERS = {
    "429 with Retry-After": Reply(429, b"", {"Retry-After": "7"}),
    "500 with a traceback": Reply(500, b"Traceback (most recent call last)", {}),
    "502": Reply(502, b"", {}),
    "503": Reply(503, b"", {}),
    "401": Reply(401, b"<html>Unauthorized</html>", {"Content-Type": "text/html"}),
    "no answer": NEVER,
    "half an answer": Reply(200, b"[" + b" " * 500 + b"]", chop=True),
    "malformed JSON": Reply(200, b'{"id": ', JSON),
    "another type": as_json({"id": "{{7*7}}"}),
    "a huge answer": Reply(200, b"[" + b" " * (2 << 20) + b"]", JSON),
    "deep JSON": Reply(200, b"[" * 100_000, JSON),
    "a login page": Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_one_task_whatever_the_look_up_is_answered(tmp_path: Path, name: str) -> None:
    """The far side fails before anything was made: later there is one task."""
    far = Faulty(instead(ODD_ANSWERS[name]))
    async with plant_before(tmp_path, far) as (plant, _):
        stored = await deliver_until_done(plant)
    assert stored.state is OutboxState.DELIVERED
    assert len(far.department.tasks) == 1


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_one_task_whatever_the_create_is_answered(tmp_path: Path, name: str) -> None:
    """Not made and badly answered: tried again."""
    far = Faulty(well, instead(ODD_ANSWERS[name]))
    async with plant_before(tmp_path, far) as (plant, _):
        stored = await deliver_until_done(plant)
    assert stored.state is OutboxState.DELIVERED
    assert len(far.department.tasks) == 1


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_one_task_though_the_answer_to_the_create_got_lost(tmp_path: Path, name: str) -> None:
    """Made, and badly answered: found by the next try, not made again."""
    far = Faulty(well, after_doing(ODD_ANSWERS[name]))
    async with plant_before(tmp_path, far) as (plant, side):
        stored = await deliver_until_done(plant)
    assert (stored.state, stored.remote_id) == (OutboxState.DELIVERED, "1")
    assert len(far.department.tasks) == 1
    assert [asked.method for asked in side.asked] == ["GET", "POST", "GET"]


async def test_the_far_side_may_settle_before_it_is_asked_again(tmp_path: Path) -> None:
    """A create that timed out may still commit; a look-up too early would not see it."""
    far = Faulty(well, instead(NEVER))
    async with plant_before(tmp_path, far) as (plant, side):
        await plant.put(entry())
        await plant.outbox.deliver_due()
        plant.clock.turn(14.9)
        await plant.outbox.deliver_due()
        assert len(side.asked) == 2
        plant.clock.turn(0.2)
        await plant.outbox.deliver_due()
    assert len(far.department.tasks) == 1


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_given_up_and_made_nowhere(tmp_path: Path, status: int) -> None:
    """The key is not carried to where the far side points; a person redrives."""
    far = Faulty(instead(Reply(status, b"", {"Location": "http://127.0.0.1:1/"})))
    async with plant_before(tmp_path, far) as (plant, _):
        stored = await deliver_until_done(plant)
        assert stored.state is OutboxState.DEAD
        assert (await plant.order(entry())).state is WorkOrderState.FAILED
    assert far.department.tasks == {}


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_is_given_up_with_its_number_only(tmp_path: Path, status: int) -> None:
    """What the far side printed is neither stored nor shown."""
    far = Faulty(well, instead(Reply(status, b'{"debug":"Traceback secret"}', JSON)))
    async with plant_before(tmp_path, far) as (plant, _):
        stored = await deliver_until_done(plant)
    assert stored.state is OutboxState.DEAD
    assert str(status) in stored.last_error
    assert "secret" not in stored.last_error


async def test_a_task_says_what_a_technician_needs(tmp_path: Path) -> None:
    """Title, fault, device, samples and our key; text from devices stays text."""
    far = Faulty()
    nasty = "a\r\nX: y'; drop table <img onerror=x> {{7*7}} !!python/object"
    async with plant_before(tmp_path, far) as (plant, side):
        item = entry(parameters={"title": nasty, "description": "Bring grease."})
        await plant.put(item, raised=alarm())
        await plant.outbox.deliver_due()
    task = far.department.tasks[1]
    assert task.name == nasty.replace("\r\n", "\\r\\n")
    for part in ("Bring grease.", "pump-7", "critical", "vibration 9.5", "Sample 41"):
        assert part in task.comment
    assert task.comment.endswith(key_line(item.action.action_id))
    assert side.asked[1].headers["authorization"] == "bearer s3cret-key"
    assert side.asked[1].json()["company"] == 1


async def test_a_task_stands_below_the_project_of_the_settings(tmp_path: Path) -> None:
    """The maintenance department keeps its tasks in one project."""
    far = Faulty()
    async with far_side(far) as side:
        made, key = tools(tmp_path)
        settings = TrytonSettings(url=side.url, database="p l/ant", key=key, project=12)
        plant = Plant(TrytonConnector("erp", settings, made))
        await deliver_until_done(plant, 1)
    assert side.asked[1].json()["parent"] == 12
    assert side.asked[1].path == "/p%20l%2Fant/rest/model/project.work"


async def test_states_are_read_for_many_tasks_at_once(tmp_path: Path) -> None:
    """One request tells of all: open, in progress, done, and gone."""
    far = Faulty()
    async with plant_before(tmp_path, far) as (plant, side):
        for number in (1, 2, 3):
            far.department.add({"name": "x"}, NOON).status = number
        orders = [
            order_of(entry(number), remote_id=remote)
            for number, remote in enumerate(["1", "2", "3", "4", None, "²"])
        ]
        states = await plant.erp.poll(orders)
        assert len(side.asked) == 1
        assert await plant.erp.poll(orders[4:]) == {}
    found = [states.get(WorkOrderId(order.work_order_id)) for order in orders]
    assert [one.state if one else None for one in found] == [
        WorkOrderState.OPEN,
        WorkOrderState.IN_PROGRESS,
        WorkOrderState.CLOSED,
        WorkOrderState.CANCELLED,
        None,
        None,
    ]


async def test_a_note_is_written_once(tmp_path: Path) -> None:
    """The note was written and the answer lost: it is not written twice."""
    far = Faulty(well, after_doing(NEVER))
    far.department.add({"name": "x"}, NOON)
    async with plant_before(tmp_path, far) as (plant, _):
        order = order_of(entry(), remote_id="1")
        with pytest.raises(ConnectorError, match="did not answer"):
            await plant.erp.note(order, "The alarm has cleared.")
        await plant.erp.note(order, "The alarm has cleared.")
    assert far.department.tasks[1].notes == ["The alarm has cleared."]


async def test_a_test_of_the_connector_needs_no_task(tmp_path: Path) -> None:
    """`weft connector test erp` changes nothing at the far side."""
    far = Faulty()
    async with plant_before(tmp_path, far) as (plant, _):
        assert "plant answers" in await plant.erp.test()
        await plant.erp.close()
    assert far.department.tasks == {}


def test_a_key_in_the_settings_is_refused_without_repeating_it(tmp_path: Path) -> None:
    """Settings are shown, logged and backed up; keys are not."""
    made, _ = tools(tmp_path)
    settings = TrytonSettings(url="https://erp", database="d", key="bd2b547a2738")
    with pytest.raises(ConfigurationError) as caught:
        TrytonConnector("erp", settings, made)
    assert "bd2b547a2738" not in caught.value.detail + caught.value.remedy
