"""The desk: what every stand-in for a business system keeps, and the technician behind it.

A stand-in speaks the part of its system's published interface that our connector uses, over
records kept in memory or in a file. It is no ERP; nothing of Weft tells it from the real
one. The technician begins and ends each order as time goes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct, field

NS_PER_S = 1_000_000_000
ORDERS_MAX = 10_000
OPEN, BEGUN, DONE = 0, 1, 2


class Refused(Exception):
    """A request that is answered with a status and, perhaps, a word on why."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Order(Struct):
    """One record of the far side."""

    number: int
    key: str  # under which it is found again
    values: dict[str, Any]
    made_at: int  # ns UTC
    state: int = OPEN
    notes: list[str] = field(default_factory=list)
    changes: int = 0  # grows with every write, as a modification stamp does


class Heard(Struct, frozen=True):
    """One request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        return {key: texts[-1] for key, texts in parse_qs(urlsplit(self.target).query).items()}

    def json(self) -> dict[str, Any]:
        """The body as a JSON object, or 400."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(400, "The body is no JSON object.") from error


class Said(Struct, frozen=True):
    """One answer."""

    value: Any = None  # encoded as JSON; None says nothing
    status: int = 200
    headers: Mapping[str, str] = {}

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return b"" if self.value is None else msgspec.json.encode(self.value)


class StandIn(Protocol):
    """A far side: answers requests over its desk."""

    kind: str
    desk: "Desk"

    def answer(self, heard: Heard) -> Said:
        """Answer one request, or raise `Refused`."""
        ...

    def settings(self, url: str, secret: str) -> dict[str, Any]:
        """Return what `[connectors.NAME]` holds to reach it; `secret` is a reference."""
        ...


class Desk:
    """The orders. `file` keeps them over a restart."""

    def __init__(
        self, now: Callable[[], int], *, repair_after_s: float = 0, file: Path | None = None
    ) -> None:
        self.orders: dict[int, Order] = {}
        self.now = now
        self._repair_after_ns = round(repair_after_s * NS_PER_S)
        self._file = file
        if file is not None and file.exists():
            stored = msgspec.json.decode(file.read_bytes(), type=list[Order])
            self.orders = {order.number: order for order in stored}

    def add(self, key: str, values: dict[str, Any]) -> Order:
        """Take in an order, whether or not there is one of that key."""
        if len(self.orders) >= ORDERS_MAX:
            raise Refused(507, "There is room for 10,000 orders.")
        order = Order(max(self.orders, default=0) + 1, key, values, self.now())
        self.orders[order.number] = order
        self.store()
        return order

    def find(self, key: str) -> list[Order]:
        """Return the orders of a key."""
        return [order for order in self.orders.values() if order.key == key]

    def get(self, number: str | int) -> Order:
        """Return an order by its number, or answer 404."""
        text = str(number)
        order = self.orders.get(int(text)) if text.isascii() and text.isdigit() else None
        if order is None:
            raise Refused(404)
        return order

    def change(self, order: Order, **changes: Any) -> None:
        """Change an order and its stamp."""
        for name, value in changes.items():
            setattr(order, name, value)
        order.changes += 1
        self.store()

    def note(self, order: Order, text: str) -> None:
        """Write a note to an order."""
        order.notes.append(text)
        self.change(order)

    def work(self) -> None:
        """Let the technician begin and finish what is due; 0 seconds: nobody works."""
        if not self._repair_after_ns:
            return
        for order in self.orders.values():
            age = self.now() - order.made_at
            due = DONE if age >= self._repair_after_ns else OPEN
            if due == OPEN and age >= self._repair_after_ns // 3:
                due = BEGUN
            if due > order.state:
                self.change(order, state=due)

    def store(self) -> None:
        """Write the file, if there is one."""
        if self._file is not None:
            whole = self._file.with_suffix(".new")
            whole.write_bytes(msgspec.json.encode(list(self.orders.values())))
            whole.replace(self._file)
