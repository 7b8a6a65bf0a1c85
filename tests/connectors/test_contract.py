"""The contract of every connector: one record at the far side, whatever happens on the way.

Each kind runs against its stand-in. A fault is put before, or behind, every single request
that a delivery makes: in the end the entry is delivered and there is exactly one record.
"""

import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.connectors.contract import HELD_ELSEWHERE, OWN, SECRET, STANDS_FOR, Fault, Scene, scene
from tests.connectors.farside import Asked, Reply
from tests.connectors.support import alarm, entry, order_of
from tests.connectors.test_tryton import ODD_ANSWERS, after_doing, instead

from weft.connectors.base import Quality, Situation
from weft.connectors.registry import KINDS
from weft.connectors.standins.table import STAND_INS
from weft.errors import ConnectorError
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import WorkOrderId

KINDS_HERE = sorted({*STAND_INS, "tryton", "webhook"})
ALL = [*KINDS_HERE, "odoo" + OWN, "webhook" + OWN]
FOLLOWED = [kind for kind in ALL if not kind.startswith("webhook")]
TURNS = 6


def test_every_kind_is_held_to_the_contract() -> None:
    """A kind without a stand-in would be a connector that nobody has tried."""
    described = {name: kind for kind, names in STANDS_FOR.items() for name in names}
    here = {described.get(name, name) for name in KINDS_HERE}
    assert set(KINDS) == here | set(HELD_ELSEWHERE)
    assert all((Path(__file__).parent / name).exists() for name in HELD_ELSEWHERE.values())
    assert all(make.quality in Quality for _, make in KINDS.values())  # type: ignore[attr-defined]


async def requests_of(kind: str, folder: Path) -> list[Asked]:
    """Deliver once without a fault; return what was asked."""
    async with scene(kind, folder) as calm:
        stored = await calm.deliver()
        assert stored.state is OutboxState.DELIVERED, stored.last_error
        assert len(calm.far.keys()) == 1
        return calm.side.asked


@pytest.mark.parametrize("lost", [False, True], ids=["instead", "behind"])
@pytest.mark.parametrize("answer", ODD_ANSWERS)
@pytest.mark.parametrize("kind", ALL)
async def test_ss_2_one_record_whatever_is_answered(
    kind: str, answer: str, lost: bool, tmp_path: Path
) -> None:
    """429, 5xx, silence, half, malformed, huge: at every request, done or not done before."""
    make: Callable[[Reply], Fault] = after_doing if lost else instead
    if kind.startswith("webhook") and not lost and ODD_ANSWERS[answer].status == 200:
        make = after_doing  # a receiver's 2xx says that it has it; its words are never read
    for place in range(len(await requests_of(kind, tmp_path))):
        # A silent far side is waited for; a slow machine must not be taken for one.
        timeout_s = 0.3 if ODD_ANSWERS[answer].hang else 10.0
        async with scene(kind, tmp_path, timeout_s=timeout_s) as here:
            here.far.faults[place] = make(ODD_ANSWERS[answer])
            stored = await here.deliver(TURNS)
            assert stored.state is OutboxState.DELIVERED, (place, stored.last_error)
            assert len(here.far.keys()) == 1, place


@pytest.mark.parametrize("kind", ALL)
async def test_the_far_sides_own_pause_is_kept(kind: str, tmp_path: Path) -> None:
    """429 with Retry-After: nothing is asked before, whatever our own back-off says."""
    async with scene(kind, tmp_path) as here:
        here.far.faults[0] = instead(Reply(429, b"", {"Retry-After": "700"}))
        await here.plant.put(here.item, raised=alarm())
        await here.plant.outbox.deliver_due()
        here.plant.clock.turn(699)
        await here.plant.outbox.deliver_due()
        assert here.far.seen == 1
        here.plant.clock.turn(2)
        await here.plant.outbox.deliver_due()
        assert len(here.far.keys()) == 1


@pytest.mark.parametrize("kind", ALL)
async def test_a_delivery_that_is_repeated_makes_no_second_record(
    kind: str, tmp_path: Path
) -> None:
    """A crash between the far side's answer and our disk: the same record, the same id."""
    async with scene(kind, tmp_path) as here:
        first = await here.deliver()
        again = await here.deliver()
        assert (first.state, again.state) == (OutboxState.DELIVERED,) * 2
        assert first.remote_id == again.remote_id
        assert len(here.far.keys()) == 1


@pytest.mark.parametrize("kind", ALL)
async def test_two_faults_are_two_records(kind: str, tmp_path: Path) -> None:
    """What keeps one fault to one record keeps no other fault away."""
    async with scene(kind, tmp_path) as here:
        for number in (1, 2):
            await here.plant.put(entry(number), raised=alarm(number))
        await here.plant.outbox.deliver_due()
        assert len(set(here.far.keys())) == 2


@pytest.mark.parametrize("kind", ALL)
async def test_a_credential_that_ended_is_renewed_without_a_restart(
    kind: str, tmp_path: Path
) -> None:
    """The secret is rotated at the far side first, and then here; nothing is redriven."""
    if kind.startswith("webhook"):
        pytest.skip("a receiver checks our signature and hands out nothing that ends")
    async with scene(kind, tmp_path) as here:
        assert (await here.deliver()).state is OutboxState.DELIVERED
        refused = Reply(401, b"", {})
        here.far.faults = {here.far.seen + place: instead(refused) for place in range(3)}
        here.item = entry(2)
        assert (await here.deliver()).state is OutboxState.PENDING
        here.far.faults.clear()
        assert (await here.deliver(2)).state is OutboxState.DELIVERED
        assert len(here.far.keys()) == 2


@pytest.mark.parametrize("kind", ALL)
async def test_a_token_that_ended_is_fetched_anew_once(kind: str, tmp_path: Path) -> None:
    """The far side forgets our token in the middle: the entry does not even wait."""
    async with scene(kind, tmp_path) as here:
        if here.far.expire is None:
            pytest.skip("this far side hands out no tokens")
        await here.deliver()
        here.far.expire()
        here.item = entry(2)
        assert (await here.deliver()).state is OutboxState.DELIVERED
        assert len(here.far.keys()) == 2


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("kind", ALL)
async def test_a_refusal_is_given_up_with_its_number_only(
    kind: str, status: int, tmp_path: Path
) -> None:
    """What the far side printed is neither stored nor shown, its traceback least of all."""
    count = len(await requests_of(kind, tmp_path))
    async with scene(kind, tmp_path) as here:
        said = b'{"debug":"Traceback secret of the far side","error":{"message":{"value":"<b>"}}}'
        refusal = Reply(status, said, {"Content-Type": "application/json"})
        here.far.faults[count - 1] = instead(refusal)
        stored = await here.deliver()
    assert stored.state is OutboxState.DEAD
    assert str(status) in stored.last_error
    assert "secret" not in stored.last_error
    assert "<b>" not in stored.last_error


@pytest.mark.parametrize("kind", ALL)
async def test_ss_3_text_of_devices_stays_text(kind: str, tmp_path: Path) -> None:
    """Line breaks, markup, SQL, templates and tags arrive as characters and do nothing."""
    nasty = "{{7*7}}\r\nX-Evil: y' or 1=1; drop table <img onerror=x> !!python/object {device}"
    async with scene(kind, tmp_path, parameters={"title": nasty}) as here:
        stored = await here.deliver()
        assert stored.state is OutboxState.DELIVERED, stored.last_error
        assert all("x-evil" not in asked.headers for asked in here.side.asked)
        texts = html.unescape(here.far.texts())
    assert "49" not in texts.replace(str(entry().action.action_id), "")
    assert "{{7*7}}" in texts
    assert "X-Evil" in texts


@pytest.mark.parametrize("kind", ALL)
async def test_the_sandbox_shows_the_request_that_is_sent(kind: str, tmp_path: Path) -> None:
    """What `weft connector try` shows is what goes out: method, address and body."""
    async with scene(kind, tmp_path) as here:
        await here.deliver()
        [found] = list(here.plant.connectors)
        around = Situation(alarm(), order_of(here.item))
        before = await here.plant.connectors.prepared(found, here.item, around)
        planned = here.plant.erp.plan(here.item, before)
        sent = [one for one in here.side.asked if one.method == planned.method]
        url = planned.url.removesuffix("/")
        bodies = [one.body for one in sent if (here.side.url + one.target).rstrip("/") == url]
        looked_up = planned.body.replace(b"(id of equipment pump-7)", b"1")
        assert looked_up in bodies
        assert SECRET not in str(planned)


async def _states(here: Scene, remote: list[str]) -> list[WorkOrderState | None]:
    orders = [order_of(entry(place), remote_id=one) for place, one in enumerate(remote, 1)]
    told = await here.plant.erp.poll(orders)
    states = [told.get(WorkOrderId(order.work_order_id)) for order in orders]
    return [one.state if one else None for one in states]


@pytest.mark.parametrize("kind", FOLLOWED)
async def test_how_records_stand_is_read_from_the_far_side(kind: str, tmp_path: Path) -> None:
    """Open, begun, done and gone, told apart and told again."""
    async with scene(kind, tmp_path) as here:
        for number in (1, 2, 3, 4):
            await here.plant.put(entry(number), raised=alarm(number))
        await here.plant.outbox.deliver_due()
        remote = [str((await here.plant.entry(entry(n))).remote_id) for n in (1, 2, 3, 4)]
        assert await _states(here, remote) == [WorkOrderState.OPEN] * 4
        here.far.move(2, 1)
        here.far.move(3, 2)
        here.far.delete(4)
        wanted = [
            WorkOrderState.OPEN,
            WorkOrderState.IN_PROGRESS,
            WorkOrderState.CLOSED,
            WorkOrderState.CANCELLED,
        ]
        assert await _states(here, remote) == wanted
        assert await _states(here, remote) == wanted
        assert await here.plant.erp.poll([order_of(entry(9))]) == {}
        odd = order_of(entry(9), remote_id="1' or '1'='1")
        told = await here.plant.erp.poll([odd])  # an id that is none reaches no other record
        gone = WorkOrderState.CANCELLED
        assert {one.state for one in told.values()} <= {gone}


@pytest.mark.parametrize("kind", FOLLOWED)
async def test_a_note_stands_once_though_its_answer_got_lost(kind: str, tmp_path: Path) -> None:
    """It is told again after a time-out, and the people there read it once."""
    text = "Weft: the alarm has cleared by itself at 2026-01-01T00:00:00Z."
    async with scene(kind, tmp_path) as calm:
        stored = await calm.deliver()
        order = order_of(calm.item, remote_id=stored.remote_id)
        before = calm.far.seen
        await calm.plant.erp.note(order, text)
        count = calm.far.seen - before
    for place in range(count):
        async with scene(kind, tmp_path) as here:
            await here.deliver()
            here.far.faults[here.far.seen + place] = after_doing(Reply(503, b"", {}))
            with pytest.raises(ConnectorError):
                await here.plant.erp.note(order, text)
            await here.plant.erp.note(order, text)
            assert "\n".join(here.far.notes(1)).count(text) == 1, place


@pytest.mark.parametrize("kind", ALL)
async def test_a_test_of_a_connector_changes_nothing(kind: str, tmp_path: Path) -> None:
    """The button is pressed as often as one likes; a wrong key is said in words."""
    async with scene(kind, tmp_path) as here:
        assert await here.plant.erp.test()
        assert here.far.keys() == [] or kind.startswith("webhook")
        if kind.startswith("webhook"):
            return
        here.far.faults = {here.far.seen + n: instead(Reply(401, b"", {})) for n in range(3)}
        with pytest.raises(ConnectorError, match="401"):
            await here.plant.erp.test()


@pytest.mark.parametrize("kind", ALL)
async def test_no_request_carries_the_secret_in_its_address(kind: str, tmp_path: Path) -> None:
    """Addresses stand in the logs of every proxy on the way."""
    for asked in await requests_of(kind, tmp_path):
        assert SECRET not in unquote(asked.target)
        assert json.dumps(SECRET) not in asked.target
