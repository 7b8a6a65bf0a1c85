"""Sparkplug B 3.0: Weft is the host application of its edge nodes.

    spBv1.0/{group}/NBIRTH|NDATA|NDEATH/{edge}               up
    spBv1.0/{group}/DBIRTH|DDATA|DDEATH/{edge}/{device}      up
    spBv1.0/{group}/NCMD/{edge}, .../DCMD/{edge}/{device}    down, from commands
    spBv1.0/STATE/{host}                                     down, retained (`[sparkplug] host_id`)

The edge node is the device that connects; its id or label is the edge node's id, and a
device below it is its child of that name. A birth and data become telemetry by the
metrics' names, each at its own moment; control metrics are not telemetry. What is missing
(a birth, a number in the count, an alias) is refused as far as it cannot be read, and a
birth is asked for.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from weft.errors import Forbidden, Invalid, PayloadInvalid
from weft.ingest.dialects.dialect import Said, Speaker, asked, private_topic
from weft.ingest.dialects.sparkplug_births import Birth, Births, Key, Node, name_of, type_of
from weft.wire.payload.sparkplug import (
    LIMITS,
    DataSet,
    Metric,
    Payload,
    Property,
    Template,
    decode,
    value_as,
)

NAME: Final = "sparkplug"
PREFIX: Final = "spBv1.0/"
STATE: Final = PREFIX + "STATE/"
CONTROL: Final = ("Node Control/", "Device Control/")
REBIRTH: Final = "Node Control/Rebirth"
BIRTH_DEATH: Final = "bdSeq"
FORMS: Final = (
    "spBv1.0/{group}/NBIRTH|NDATA|NDEATH/{edge} or .../DBIRTH|DDATA|DDEATH/{edge}/{device}"
)

_encode = msgspec.json.Encoder().encode
Values = dict[int, dict[str, Any]]  # by moment (ms), then by the metric's name
SUCCEEDED: Final = _encode({"status": "succeeded"})


class Sparkplug:
    """The table, and the births that it has heard."""

    name = NAME
    prefixes = (PREFIX,)

    def __init__(self) -> None:
        self.births = Births()

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put a message of an edge node into native words."""
        match topic.split("/"):
            case ["spBv1.0", group, "NBIRTH" | "NDATA" | "NDEATH" as kind, edge] if group and edge:
                device = ""
            case ["spBv1.0", group, "DBIRTH" | "DDATA" | "DDEATH" as kind, edge, device] if (
                group and edge and device
            ):
                pass
            case _:
                raise Invalid(
                    f"{topic!r} is nothing that an edge node sends.",
                    remedy=f"Publish to {FORMS}.",
                )
        _require_own(speaker, edge)
        message = decode(payload)
        key: Key = (speaker.tenant, speaker.principal.uid, group, edge)
        target = speaker.child_ids([device])[0] if device else "me"
        place = "/".join((group, edge, device) if device else (group, edge))
        births = self.births.copy_of(key) if speaker.again else self.births
        said = _Reading(births, key, target, place).read(kind, device, message, topic, payload)
        if speaker.again:  # an old number is no gap in today's count
            said = [one for one in said if "/host/rebirth/" not in one.topic]
        return said

    def native_filter(self, text: str, device_id: str) -> str | None:
        """Return the private topics for what a host sends; its state is every device's to read."""
        if text.startswith(STATE) or not text.startswith(PREFIX):
            return None
        return private_topic(device_id, NAME, text[len(PREFIX) :])

    def own_topic(self, topic: str, _device_id: str) -> str | None:
        """Return the Sparkplug topic of a command."""
        match topic.split("/", 4):
            case ["devices", _, "dialects", "sparkplug", rest]:
                return PREFIX + rest
            case _:
                return None


class _Reading:
    """One message of one edge node, being put into native words."""

    def __init__(self, births: Births, key: Key, target: str, place: str) -> None:
        self._births = births
        self._key = key
        self._target = target
        self._place = place

    def read(
        self, kind: str, device: str, message: Payload, topic: str, payload: bytes
    ) -> list[Said]:
        if kind == "NDEATH":
            return self._died(message)
        if kind == "NBIRTH":
            node = self._births.begin(self._key)
            node.sequence = message.seq
            node.birth_death = _birth_death(message)
            said = []
        else:
            known = self._births.find(self._key)
            node = known or self._births.of(self._key)
            said = [] if node.counts(message.seq) else [self._rebirth()]
        if kind == "DDEATH":
            node.births.pop(device, None)
            return [*said, self._ask("died")]
        if kind.endswith("BIRTH"):
            node.born(device, message.metrics)
            said.append(self._ask("born"))
        return said + self._told(node, device, message, topic, payload)

    def _told(
        self, node: Node, device: str, message: Payload, topic: str, payload: bytes
    ) -> list[Said]:
        """Return the metrics as telemetry, and what of them nothing has named."""
        birth = node.births.get(device)
        values, unknown = values_of(message, birth)
        said: list[Said] = []
        if values:
            said.append(Said(f"devices/{self._target}/telemetry", telemetry_of(values)))
        latest = {name: value for one in values.values() for name, value in one.items()}
        said += [
            Said(f"devices/{self._target}/commands/{request_id}/result", SUCCEEDED)
            for request_id in node.take_written(device, latest)
        ]
        if unknown:
            names = ", ".join(map(str, unknown[:10]))
            error = PayloadInvalid(
                f"No birth has named the metrics with alias {names}.",
                remedy="The edge node was asked for a birth; redrive this when it has come.",
            )
            said += [Said(topic, payload, refused=error), self._rebirth()]
        return said

    def _died(self, message: Payload) -> list[Said]:
        """Take in a death; one of an earlier connection than the last birth's is over."""
        known = self._births.find(self._key)
        if known is not None and known.birth_death not in (None, _birth_death(message)):
            return [self._ask("outdated")]
        self._births.end(self._key)
        return [self._ask("died")]

    def _rebirth(self) -> Said:
        return asked(NAME, "host/rebirth/" + "/".join(self._place.split("/")[:2]), b"")

    def _ask(self, what: str) -> Said:
        return asked(NAME, f"host/{what}/{self._place}", b"", self._target)


def _require_own(speaker: Speaker, edge: str) -> None:
    """Raise `Forbidden` unless the edge node is the device that speaks (ID-4)."""
    device = speaker.device
    if device is None or edge not in (device.device_id, device.label):
        raise Forbidden(
            f"{speaker.principal} is not the edge node {edge!r}.",
            remedy="Give the device the edge node's id as its name or label.",
        )


def _birth_death(message: Payload) -> Any:
    return next((one.value for one in message.metrics if one.name == BIRTH_DEATH), None)


def telemetry_of(values: Values) -> bytes:
    """Return values by moment as the native telemetry that they are."""
    return _encode([{"ts": at, "values": one} for at, one in values.items()])


def values_of(message: Payload, birth: Birth | None) -> tuple[Values, list[int]]:
    """Return the values by moment (ms) and name, and the aliases that nothing has named.

    Raises `PayloadInvalid` for a metric without a moment, and for more than is taken at once.
    """
    found: Values = {}
    unknown: list[int] = []
    members = 0
    for metric in message.metrics:
        name = name_of(metric, birth)
        if name is None:
            unknown.append(metric.alias or 0)
            continue
        if name == BIRTH_DEATH or name.startswith(CONTROL) or metric.value is None:
            continue
        stamp = metric.timestamp if metric.timestamp is not None else message.timestamp
        if stamp is None:
            raise PayloadInvalid(
                f"The metric {name[:128]!r} has no timestamp, and its payload has none.",
                remedy="Send timestamps, as Sparkplug asks for.",
            )
        value = value_as(metric, type_of(name, metric, birth))
        members += len(value) if isinstance(value, tuple) else 0
        if members > LIMITS.values:  # of arrays whose type is the birth's to tell
            raise PayloadInvalid(
                f"The arrays of one message hold more than {LIMITS.values} values.",
                remedy="Send them in several messages.",
            )
        found.setdefault(stamp, {})[name] = plain(value)
    return found, unknown


def plain(value: Any) -> Any:
    """Return a value as JSON has it: bytes in base64, templates and sets as objects."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case DataSet():
            return {"columns": list(value.columns), "rows": [plain(row) for row in value.rows]}
        case Template():
            return _named(value.metrics)
        case Property():
            return plain(value.value)
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
        case int() if not -(2**63) <= value < 2**63:
            return float(value)
        case _:
            return value


def _named(metrics: Iterable[Metric]) -> dict[str, Any]:
    return {one.name: plain(one.value) for one in metrics if one.value is not None}
