"""The connector against a real Tryton: one task, followed until a person has closed it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.connectors.farside import Asked, Reply, far_side
from tests.connectors.support import MAIN, NOON, Plant, alarm, entry
from tests.interop.tryton.support import Tryton, tryton

from weft.connectors.base import Tools
from weft.connectors.credentials import Credentials
from weft.connectors.tryton import TrytonConnector, TrytonSettings
from weft.errors import ConnectorError
from weft.model.alarm import AlarmState, OutboxState, WorkOrderState
from weft.rules.kinds import ALARMS
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.supervision import FakeClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def erp(tmp_path: Path) -> AsyncIterator[Tryton]:
    async with tryton(tmp_path) as running:
        yield running


def connector(erp: Tryton, **changes: object) -> TrytonConnector:
    values = {"url": erp.url, "database": erp.database, "key": f"file:{erp.key_file}"}
    settings = TrytonSettings(**(values | changes))  # type: ignore[arg-type]
    outbound = OutboundClient(OutboundSettings(allow=("127.0.0.1/32",)))
    return TrytonConnector("erp", settings, Tools(outbound, Credentials(), FakeClock()))


async def test_a_fault_becomes_one_task_and_its_end_closes_the_work_order(erp: Tryton) -> None:
    """The bearing wears, a task stands in Tryton, the technician ends it, Weft knows."""
    plant = Plant(connector(erp))
    item, raised = entry(), alarm()
    await plant.put(item, raised=raised)

    await plant.outbox.deliver_due()
    order = await plant.order(item)
    assert (await plant.entry(item)).last_error == ""
    [task] = await erp.tasks()
    assert task["name"] == "Check the bearing of pump-7"
    assert item.action.action_id in task["comment"]
    assert "Sample 41" in task["comment"]
    assert (order.state, order.remote_id) == (WorkOrderState.OPEN, str(task["id"]))
    assert order.remote_state == "Open"

    await plant.put(item)  # kill -9 before the answer was stored
    await plant.outbox.deliver_due()
    assert len(await erp.tasks()) == 1
    assert (await plant.entry(item)).remote_id == str(task["id"])

    cleared = alarm(state=AlarmState.CLEARED, cleared_at=NOON, cleared_by="rule")
    await plant.records.write(lambda w: w.put(ALARMS, MAIN, cleared.alarm_id, cleared))
    await plant.poller.poll()
    await plant.poller.poll()
    [note] = await erp.notes(task["id"])
    assert "cleared by itself" in note

    await erp.complete(task["id"])
    plant.clock.turn(60)
    await plant.poller.poll()
    order = await plant.order(item)
    assert (order.state, order.remote_state) == (WorkOrderState.CLOSED, "Done")
    assert order.closed_at == plant.clock.now()


async def test_an_answer_that_got_lost_leaves_one_task(erp: Tryton) -> None:
    """Tryton made the task, the answer never arrived: the next try finds it."""
    lose = True

    async def lossy(asked: Asked) -> Reply:
        outbound = OutboundClient(OutboundSettings(allow=("127.0.0.1/32",)))
        wanted = ("authorization", "content-type", "accept")
        headers = {name: asked.headers[name] for name in wanted if name in asked.headers}
        answer = await outbound.request(
            asked.method, erp.url + asked.target, headers=headers, body=asked.body or None
        )
        lost = lose and asked.method == "POST"
        return Reply(answer.status, answer.body, hang=lost)

    async with far_side(lossy) as between:
        plant, item = Plant(connector(erp, url=between.url, timeout_s=3.0)), entry()
        await plant.put(item, raised=alarm())
        await plant.outbox.deliver_due()
        assert "did not answer" in (await plant.entry(item)).last_error
        assert len(await erp.tasks()) == 1

        lose = False
        plant.clock.turn(60)
        await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DELIVERED
    assert len(await erp.tasks()) == 1


async def test_a_key_that_is_wrong_is_told_in_words(erp: Tryton) -> None:
    """`weft connector test` says what to repair, not what Tryton's server printed."""
    assert "task states" in await connector(erp).test()
    erp.key_file.write_text("wrong")
    with pytest.raises(ConnectorError, match="401") as caught:
        await connector(erp).test()
    assert caught.value.remedy == "Renew the connector's key."


async def test_a_task_that_was_deleted_ends_its_work_order(erp: Tryton) -> None:
    """Somebody removes the task in Tryton: the work order does not stay open for ever."""
    plant, item = Plant(connector(erp)), entry()
    await plant.put(item, raised=alarm())
    await plant.outbox.deliver_due()
    await erp.ask("DELETE", f"project.work/{(await plant.order(item)).remote_id}")
    await plant.poller.poll()
    assert (await plant.order(item)).state is WorkOrderState.CANCELLED
