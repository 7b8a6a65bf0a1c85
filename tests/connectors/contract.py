"""What the contract suite runs every kind of connector against: a far side that counts.

A far side here is a bundled stand-in behind the loopback server of `farside`, which puts a
fault in place of, or behind, the answer to any one request.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.connectors.farside import Asked, FarSide, Reply, far_side
from tests.connectors.own import KEY, Owned, order_of
from tests.connectors.support import LOOPBACK, MAIN, NOON, Plant, alarm, entry
from tests.connectors.test_tryton import department_reply

from weft.connectors import own_settings
from weft.connectors.base import Tools
from weft.connectors.credentials import Credentials
from weft.connectors.registry import KINDS
from weft.connectors.standin import Department, tryton_settings
from weft.connectors.standins.desk import Desk, Heard, Order, Refused, Said, StandIn
from weft.connectors.standins.table import STAND_INS
from weft.connectors.webhook import verify_signature
from weft.model.alarm import OutboxEntry
from weft.security.outbound import OutboundClient
from weft.supervision import FakeClock

_OUTBOUND = OutboundClient(LOOPBACK)  # reads the authorities once for all
SECRET = KEY
OWN = " own"
STANDS_FOR = {
    "rest": ["servicenow", "erpnext"]
}  # kind -> the systems that are written as its settings
# A kind that keeps no records -> the test file that counts its messages instead.
HELD_ELSEWHERE = {"email": "test_email.py", "slack": "test_chat.py", "teams": "test_chat.py"}
Fault = Callable[[Asked, Callable[[], Reply]], Reply]


@dataclass
class Far:
    """One far side: how it answers, and what it holds."""

    kind: str
    answer: Callable[[Asked], Reply]
    settings: Callable[[str, str], dict[str, Any]]
    keys: Callable[[], list[str]]  # of all records
    move: Callable[[int, int], None] = lambda _number, _state: None  # 0 open, 1 begun, 2 done
    delete: Callable[[int], None] = lambda _number: None
    notes: Callable[[int], list[str]] = lambda _number: []
    texts: Callable[[], str] = lambda: ""  # everything that is written in its records
    orders: Callable[[], list[Order]] = list  # of a stand-in's desk
    expire: Callable[[], None] | None = None  # its tokens end now
    faults: dict[int, Fault] = field(default_factory=dict)  # by number of the request
    seen: int = 0

    def __call__(self, asked: Asked) -> Reply:
        place = self.seen
        self.seen += 1
        fault = self.faults.pop(place, None)
        return fault(asked, lambda: self.answer(asked)) if fault else self.answer(asked)


def far_of(kind: str, secret: Path) -> Far:
    """Make a far side of a kind; the secret that it asks for is what the file holds."""
    if kind == "tryton":
        return _tryton()
    if kind == "webhook":
        return _receiver()
    desk = Desk(lambda: NOON)
    made = STAND_INS[kind](desk, lambda: secret.read_text().strip())
    return Far(
        kind,
        lambda asked: reply_of(made, asked),
        made.settings,
        lambda: [order.key for order in desk.orders.values()],
        move=lambda number, state: desk.change(desk.get(number), state=state),
        delete=lambda number: desk.orders.pop(number) and None,
        notes=lambda number: desk.get(number).notes,
        texts=lambda: str([order.values for order in desk.orders.values()]),
        orders=lambda: list(desk.orders.values()),
        expire=getattr(made, "expire", None),
    )


def reply_of(made: StandIn, asked: Asked) -> Reply:
    """Answer as a stand-in does."""
    heard = Heard(asked.method, asked.target, asked.headers, asked.body)
    try:
        said = made.answer(heard)
    except Refused as refused:
        said = Said({"error": refused.why}, refused.status)
    kind = {} if said.value is None else {"Content-Type": "application/json"}
    return Reply(said.status, said.body, {**kind, **said.headers})


def _tryton() -> Far:
    department = Department(repair_after_s=0)

    def move(number: int, state: int) -> None:
        department.tasks[number].status = state + 1

    return Far(
        "tryton",
        lambda asked: department_reply(department, asked),
        tryton_settings,
        lambda: [task.comment.rpartition(" ")[2] for task in department.tasks.values()],
        move=move,
        delete=lambda number: department.tasks.pop(number) and None,
        notes=lambda number: department.get(number).notes,
        texts=lambda: str(department.tasks),
    )


def _receiver() -> Far:
    """A receiver that does as connect pages tell it to: checks, and knows repetitions."""
    seen: dict[str, bytes] = {}

    def answer(asked: Asked) -> Reply:
        delivery = verify_signature(SECRET, asked.headers, asked.body, NOON / 1e9, 1e6)
        seen.setdefault(delivery, asked.body)
        return Reply(204, b"", {})

    return Far(
        "webhook",
        answer,
        lambda url, secret: {"kind": "webhook", "url": url, "secret": secret},
        lambda: list(seen),
        texts=lambda: str([msgspec.json.decode(body) for body in seen.values()]),
    )


@dataclass
class Scene:
    """A connector of a kind before its far side, in a plant with outbox and poller."""

    plant: Plant
    far: Far
    side: FarSide
    secret: Path
    item: OutboxEntry

    async def deliver(self, turns: int = 1) -> OutboxEntry:
        """Put the entry into the outbox and deliver what is due, an hour apart."""
        await self.plant.put(self.item, raised=alarm())
        for _ in range(turns):
            await self.plant.outbox.deliver_due()
            self.plant.clock.turn(3_700)
        return await self.plant.entry(self.item)


@asynccontextmanager
async def scene(
    kind: str, folder: Path, *, timeout_s: float = 10.0, **changes: Any
) -> AsyncIterator[Scene]:
    """Set up a connector of a kind; of "KIND own" one that a tenant has made at run time."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    kind, own, _ = kind.partition(OWN)
    far = far_of(kind, secret)
    async with far_side(far) as side:
        if own:
            plant = await _set_up(far, side.url, folder, timeout_s)
        else:
            plant = Plant(_make(far, side.url, secret, timeout_s))
            [configured] = list(plant.connectors)
            configured.fields = far.settings(side.url, "").get("fields", {})
        yield Scene(plant, far, side, secret, entry(**changes))
        await plant.erp.close()


async def _set_up(far: Far, url: str, folder: Path, timeout_s: float) -> Plant:
    """Let a tenant make the connector, with the same settings and the secret beside them."""
    owned = Owned(folder=folder)
    table = {**far.settings(url, f"file:{folder}"), "timeout_s": timeout_s}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_settings, "TIMEOUT_MIN_S", 0.1)  # silence is not waited out in tests
        await owned.save("erp", order_of(table["kind"], table["url"], table, f"file:{folder}"))
    owned.plant.erp = owned.connectors.require(MAIN, "erp").connector
    return owned.plant


def _make(far: Far, url: str, secret: Path, timeout_s: float) -> Any:
    table = far.settings(url, f"file:{secret}")
    settings_type, make = KINDS[table.pop("kind")]
    settings = msgspec.convert({**table, "timeout_s": timeout_s}, settings_type)
    tools = Tools(_OUTBOUND.allowing(()), Credentials(), FakeClock())
    return make("erp", settings, tools)
