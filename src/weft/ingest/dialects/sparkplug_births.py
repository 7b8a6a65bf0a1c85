"""Births: what each Sparkplug edge node said that its aliases mean, and how far it counted.

An edge node names its metrics once, in its birth, and afterwards sends aliases; it counts
its messages from 0 to 255 and round again (Sparkplug 3.0, 6.4.6). Nothing of it is stored:
after a restart the first message shows that a birth is missing, and the node is asked for
it, as every host does.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from weft.errors import PayloadInvalid, QuotaExceeded
from weft.wire.payload.sparkplug import DataType, Metric, as_carried

NODES_MAX: Final = 10_000  # edge nodes whose births are known; the one longest silent goes
NODES_PER_OWNER: Final = 4  # an edge node is in one group; more are of a fleet that moves it
METRICS_MAX: Final = 20_000  # of one edge node with all its devices
NAMES_MAX_CHARACTERS: Final = 2_000_000  # all its metrics' names together
PENDING_MAX: Final = 100  # writes of one device that wait to be seen in its data
SEQUENCE: Final = 256

Key = tuple[str, str, str, str]  # tenant, principal's uid, group, edge node


class Birth:
    """What one edge node, or one device below it, measures."""

    __slots__ = ("characters", "names", "types")

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self.names: dict[int, str] = {}  # by alias
        self.types: dict[str, int] = {}  # by name
        for metric in metrics:
            if not metric.name:
                raise PayloadInvalid(
                    "A metric of a birth has no name.",
                    remedy="Name every metric in NBIRTH and DBIRTH; aliases come beside.",
                )
            if metric.alias is not None:
                self.names[metric.alias] = metric.name
            self.types[metric.name] = metric.datatype
        self.characters = sum(map(len, self.types))


class Node:
    """One edge node: its births, its count, and the writes that wait to be seen."""

    def __init__(self) -> None:
        self.births: dict[str, Birth] = {}  # by device; the node's own under ""
        self.sequence: int | None = None
        self.birth_death: Any = None  # bdSeq: ties a death to its birth
        self.pending: dict[str, dict[str, dict[str, Any]]] = {}  # device, request id, values

    def born(self, device: str, metrics: Iterable[Metric]) -> Birth:
        """Take in a birth; the node's own forgets those of its devices."""
        birth = Birth(metrics)
        others = {} if not device else {k: v for k, v in self.births.items() if k != device}
        if sum(len(one.types) for one in others.values()) + len(birth.types) > METRICS_MAX:
            raise QuotaExceeded(
                f"The edge node has more than {METRICS_MAX} metrics.",
                remedy="Spread its devices over several edge nodes.",
            )
        if sum(one.characters for one in others.values()) + birth.characters > NAMES_MAX_CHARACTERS:
            raise QuotaExceeded(
                f"The names of its metrics have over {NAMES_MAX_CHARACTERS} characters.",
                remedy="Give metrics shorter names, or spread its devices over several edge nodes.",
            )
        self.births = {**others, device: birth}
        return birth

    def counts(self, sequence: int | None) -> bool:
        """Take in a message's number; return whether it is the next one."""
        before, self.sequence = self.sequence, sequence
        if before is None or sequence is None:
            return False
        return sequence == (before + 1) % SEQUENCE

    def expect(self, device: str, request_id: str, values: dict[str, Any]) -> None:
        """Wait for values that a command has written to come back as data."""
        waiting = self.pending.setdefault(device, {})
        waiting[request_id] = values
        while len(waiting) > PENDING_MAX:
            waiting.pop(next(iter(waiting)))

    def take_written(self, device: str, values: dict[str, Any]) -> list[str]:
        """Return the requests of which all has come back by now.

        Compared as the metrics' types carry them: of 21.7 a FLOAT brings 21.700000762939453.
        """
        waiting = self.pending.get(device)
        if not waiting:
            return []
        birth = self.births.get(device)
        types = {} if birth is None else birth.types

        def is_open(name: str, wanted: Any) -> bool:
            kind = types.get(name, DataType.UNKNOWN)
            return name not in values or as_carried(values[name], kind) != as_carried(wanted, kind)

        written: list[str] = []
        for request_id, wanted in list(waiting.items()):
            left = {name: value for name, value in wanted.items() if is_open(name, value)}
            if left:
                waiting[request_id] = left
            else:
                del waiting[request_id]
                written.append(request_id)
        return written


class Births:
    """All edge nodes; a bounded number, in all and of each device that connects."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[Key, Node] = OrderedDict()
        self._owned: dict[tuple[str, str], list[Key]] = {}  # by tenant and principal, oldest first

    def __len__(self) -> int:
        return len(self._nodes)

    def find(self, key: Key) -> Node | None:
        """Return what is known of a node, or None."""
        return self._nodes.get(key)

    def of(self, key: Key) -> Node:
        """Return what is known of a node, maybe nothing yet."""
        node = self._nodes.get(key)
        if node is not None:
            self._nodes.move_to_end(key)
            return node
        node = self._nodes[key] = Node()
        owned = self._owned.setdefault(key[:2], [])
        owned.append(key)
        if len(owned) > NODES_PER_OWNER:
            self.end(owned[0])
        if len(self._nodes) > NODES_MAX:
            self.end(next(iter(self._nodes)))
        return node

    def copy_of(self, key: Key) -> "Births":
        """Return what is known of one node, to read an old message with and change nothing."""
        copy = Births()
        known = self._nodes.get(key)
        if known is not None:
            node = copy.of(key)
            node.births = dict(known.births)  # a birth itself is never changed
            node.sequence, node.birth_death = known.sequence, known.birth_death
        return copy

    def begin(self, key: Key) -> Node:
        """Forget what is known of a node: it begins anew, and only what is written waits on."""
        pending = self._nodes[key].pending if key in self._nodes else {}
        self.end(key)
        node = self.of(key)
        node.pending = pending
        return node

    def end(self, key: Key) -> None:
        """Forget a node that has died."""
        if self._nodes.pop(key, None) is None:
            return
        owned = self._owned[key[:2]]
        owned.remove(key)
        if not owned:
            del self._owned[key[:2]]


def name_of(metric: Metric, birth: Birth | None) -> str | None:
    """Return a metric's name, by its alias if need be; None when no birth has told it."""
    if metric.name:
        return metric.name
    if birth is None or metric.alias is None:
        return None
    return birth.names.get(metric.alias)


def type_of(name: str, metric: Metric, birth: Birth | None) -> int:
    """Return the data type that a metric has by itself or by its birth."""
    if metric.datatype != DataType.UNKNOWN or birth is None:
        return metric.datatype
    return birth.types.get(name, DataType.UNKNOWN)
