"""Sparkplug B payloads: protobuf to plain Structs and back, within stated bounds.

What a metric means (its alias, its birth, its sequence) is the dialect's to say; here bytes
become values of their declared types and nothing else. A float that is no number (NaN, an
infinity) reads as null: that is how controllers say that a reading is bad.
"""

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Any, Final

from msgspec import Struct, field

from weft.errors import PayloadInvalid
from weft.wire.payload.sparkplug_schema import schema


class DataType(IntEnum):
    """Types of values (Sparkplug 3.0, 6.4.16)."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


class SparkplugLimits(Struct, frozen=True):
    """How much one payload may hold."""

    payload_bytes: int = 256 * 1024  # as the largest packet of MQTT
    metrics: int = 5_000  # in all, those inside templates too; a birth of a large edge has 2,000
    depth: int = 8  # templates in templates, property sets in property sets
    values: int = 50_000  # properties, cells of data sets and members of arrays, in all


LIMITS: Final = SparkplugLimits()


class DataSet(Struct, frozen=True):
    """A table."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]


class Parameter(Struct, frozen=True):
    """A parameter of a template."""

    name: str
    datatype: int
    value: Any = None


class Property(Struct, frozen=True):
    """A property of a metric; a set is a dict of these, a list of sets a tuple of dicts."""

    datatype: int
    value: Any = None


class Metric(Struct, frozen=True):
    """One value with what is said about it. `value` is None where it is null or left out."""

    name: str = ""  # empty where only the alias is sent
    alias: int | None = None
    timestamp: int | None = None  # ms since 1970
    datatype: int = DataType.UNKNOWN  # unknown where a birth has said it before
    value: Any = None
    is_historical: bool = False
    is_transient: bool = False
    is_null: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Property] = field(default_factory=dict)


class Template(Struct, frozen=True):
    """A definition or an instance of a type of the user's own."""

    metrics: tuple[Metric, ...] = ()
    version: str = ""
    parameters: tuple[Parameter, ...] = ()
    template_ref: str = ""
    is_definition: bool = False


class Payload(Struct, frozen=True):
    """One message."""

    metrics: tuple[Metric, ...] = ()
    timestamp: int | None = None  # ms since 1970
    seq: int | None = None
    uuid: str = ""
    body: bytes = b""


_INT_BITS: Final[dict[int, int]] = {
    DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64,
}  # fmt: skip
_LONG: Final = frozenset({DataType.INT64, DataType.UINT64, DataType.DATETIME})
_ARRAYS: Final[dict[int, str]] = {
    DataType.INT8_ARRAY: "b", DataType.INT16_ARRAY: "h", DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q", DataType.UINT8_ARRAY: "B", DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I", DataType.UINT64_ARRAY: "Q", DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d", DataType.DATETIME_ARRAY: "Q",
}  # fmt: skip
_TEXTS: Final = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_UNWRITABLE: Final = (
    TypeError, ValueError, KeyError, OverflowError, AttributeError, struct.error,
)  # fmt: skip
_METADATA: Final = (
    "is_multi_part", "content_type", "size", "seq", "file_name", "file_type", "md5", "description",
)  # fmt: skip


def decode(payload: bytes, *, limits: SparkplugLimits = LIMITS) -> Payload:
    """Read a payload; raise `PayloadInvalid` with the metric that is wrong.

    Raises `ConfigurationError` where protobuf is not installed.
    """
    if len(payload) > limits.payload_bytes:
        raise PayloadInvalid(
            f"The Sparkplug payload has {len(payload)} bytes; at most {limits.payload_bytes} are "
            "read.",
            remedy="Send its metrics in several messages.",
        )
    known = schema()
    message = known.payload()
    try:
        message.ParseFromString(payload)
        return _Reader(limits).payload(message)
    except (known.decode_error, UnicodeDecodeError) as error:
        raise PayloadInvalid(
            f"The payload is not Sparkplug B: {str(error)[:200]}.",
            remedy="Send the protobuf message Payload of Sparkplug B (spBv1.0).",
        ) from None


class _Reader:
    """Turns messages into Structs and counts what they hold."""

    def __init__(self, limits: SparkplugLimits) -> None:
        self._limits = limits
        self._metrics = 0
        self._values = 0

    def payload(self, message: Any) -> Payload:
        """Return the whole message."""
        return Payload(
            metrics=self._all(message.metrics, 0),
            timestamp=_optional(message, "timestamp"),
            seq=_optional(message, "seq"),
            uuid=_text(message.uuid),
            body=message.body,
        )

    def _all(self, messages: Sequence[Any], depth: int) -> tuple[Metric, ...]:
        self._metrics += len(messages)
        if self._metrics > self._limits.metrics:
            raise _too_many("metrics", self._limits.metrics)
        if depth > self._limits.depth:
            raise self._too_deep()
        return tuple(self._metric(one, depth) for one in messages)

    def _metric(self, message: Any, depth: int) -> Metric:
        name = _text(message.name) or f"alias {message.alias}"
        value = None if message.is_null else self._value(message, message.datatype, name, depth)
        return Metric(
            name=message.name,
            alias=_optional(message, "alias"),
            timestamp=_optional(message, "timestamp"),
            datatype=message.datatype,
            value=value,
            is_historical=message.is_historical,
            is_transient=message.is_transient,
            is_null=message.is_null,
            metadata=_metadata(message.metadata) if message.HasField("metadata") else {},
            properties=self._set(message.properties, name, depth)
            if message.HasField("properties")
            else {},
        )

    def _value(self, message: Any, datatype: int, name: str, depth: int) -> Any:
        member = message.WhichOneof("value")
        if member is None:
            return None
        value = getattr(message, member)
        match member:
            case "dataset_value":
                return self._dataset(value, name)
            case "template_value":
                return self._template(value, name, depth + 1)
            case "propertyset_value":
                return self._set(value, name, depth + 1)
            case "propertysets_value":
                self._count(len(value.propertyset))
                return tuple(self._set(one, name, depth + 1) for one in value.propertyset)
            case "bytes_value":
                return self._bytes(value, datatype, name)
            case "int_value" | "long_value":
                return _whole(value, datatype, name)
            case "float_value" | "double_value":
                return value if math.isfinite(value) else None
            case "string_value":
                return _text(value)
            case _:
                return value

    def _bytes(self, value: bytes, datatype: int, name: str) -> Any:
        array = _read_array(value, datatype, name)
        if isinstance(array, tuple):
            self._count(len(array))
        return array

    def _set(self, message: Any, name: str, depth: int) -> dict[str, Property]:
        if depth > self._limits.depth:
            raise self._too_deep()
        keys, values = [_text(key) for key in message.keys], message.values
        self._count(len(values))
        if len(keys) != len(values) or len(set(keys)) != len(keys):
            raise _wrong(name, f"properties with {len(keys)} keys and {len(values)} values")
        return {
            key: Property(
                one.type, None if one.is_null else self._value(one, one.type, name, depth)
            )
            for key, one in zip(keys, values, strict=True)
        }

    def _dataset(self, message: Any, name: str) -> DataSet:
        columns, types = tuple(map(_text, message.columns)), tuple(message.types)
        self._count(len(columns) + sum(len(row.elements) + 1 for row in message.rows))
        uneven = any(len(row.elements) != len(columns) for row in message.rows)
        if len(types) != len(columns) or uneven:
            raise _wrong(name, f"a data set whose rows are not of its {len(columns)} columns")
        return DataSet(
            columns,
            types,
            tuple(
                tuple(
                    self._value(cell, kind, name, 0)
                    for cell, kind in zip(row.elements, types, strict=True)
                )
                for row in message.rows
            ),
        )

    def _template(self, message: Any, name: str, depth: int) -> Template:
        self._count(len(message.parameters))
        return Template(
            metrics=self._all(message.metrics, depth),
            version=_text(message.version),
            parameters=tuple(
                Parameter(_text(one.name), one.type, self._value(one, one.type, name, depth))
                for one in message.parameters
            ),
            template_ref=_text(message.template_ref),
            is_definition=message.is_definition,
        )

    def _count(self, more: int) -> None:
        self._values += more
        if self._values > self._limits.values:
            raise _too_many("values", self._limits.values)

    def _too_deep(self) -> PayloadInvalid:
        return PayloadInvalid(
            f"The Sparkplug payload is nested deeper than {self._limits.depth} levels.",
            remedy="Flatten its templates and property sets.",
        )


def _too_many(what: str, limit: int) -> PayloadInvalid:
    return PayloadInvalid(
        f"The Sparkplug payload has more than {limit} {what}.",
        remedy="Send them in several messages.",
    )


def _optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _metadata(message: Any) -> dict[str, Any]:
    found = {name: getattr(message, name) for name in _METADATA if message.HasField(name)}
    return {name: _text(value) if type(value) is bytes else value for name, value in found.items()}


def _text(value: str | bytes) -> str:
    """Return a text; protobuf hands over bytes where it is not UTF-8."""
    if isinstance(value, bytes):
        raise PayloadInvalid(
            "The Sparkplug payload has a text that is not UTF-8.", remedy="Send text in UTF-8."
        )
    return value


def _whole(value: int, datatype: int, name: str) -> int:
    """Read a signed number out of the unsigned field that carries it (6.4.16)."""
    bits = _INT_BITS.get(datatype)
    if bits is None:
        if value >= 2**63:
            raise _wrong(name, "a whole number that does not fit into 64 bits with a sign")
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _read_array(value: bytes, datatype: int, name: str) -> Any:
    """Read an array out of its packed bytes; anything else stays bytes (6.4.17)."""
    if datatype == DataType.STRING_ARRAY:
        if value and not value.endswith(b"\0"):
            raise _wrong(name, "an array of texts whose last has no end")
        if value.count(b"\0") > LIMITS.values:
            raise _too_many("values", LIMITS.values)
        try:
            return tuple(part.decode("utf-8") for part in value.split(b"\0")[:-1])
        except UnicodeDecodeError:
            raise _wrong(name, "an array with a text that is not UTF-8") from None
    if datatype == DataType.BOOLEAN_ARRAY:
        count = int.from_bytes(value[:4], "little") if len(value) >= 4 else -1
        if count < 0 or (count + 7) // 8 != len(value) - 4:
            raise _wrong(name, "an array of booleans of another length than it says")
        if count > LIMITS.values:
            raise _too_many("values", LIMITS.values)
        return tuple(bool(value[4 + at // 8] >> (7 - at % 8) & 1) for at in range(count))
    code = _ARRAYS.get(datatype)
    if code is None:
        return value
    size = struct.calcsize(f"<{code}")
    if len(value) % size:
        raise _wrong(name, f"an array of {len(value)} bytes, which is no number of {size} each")
    if len(value) // size > LIMITS.values:
        raise _too_many("values", LIMITS.values)
    members = struct.unpack(f"<{len(value) // size}{code}", value)
    if code in "fd":
        return tuple(one if math.isfinite(one) else None for one in members)
    return members


def value_as(metric: Metric, datatype: int) -> Any:
    """Return the value of a metric that left its type out, read as of the type of its birth."""
    value = metric.value
    if metric.datatype != DataType.UNKNOWN or value is None:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value, datatype, metric.name)
    return _read_array(value, datatype, metric.name) if isinstance(value, bytes) else value


def as_carried(value: Any, datatype: int) -> Any:
    """Return a value as it comes back once its type has carried it: a FLOAT has 32 bits.

    What does not fit is returned as it is; `encode` refuses it.
    """
    if datatype == DataType.FLOAT_ARRAY and isinstance(value, list | tuple):
        return [as_carried(one, DataType.FLOAT) for one in value]
    if datatype != DataType.FLOAT or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return _float32(value)
    except OverflowError:
        return value


def _float32(value: float) -> float:
    """Round to 32 bits; raise `OverflowError` for what would become an infinity."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _wrong(name: str, what: str) -> PayloadInvalid:
    return PayloadInvalid(
        f"The metric {name[:128]!r} has {what}.", remedy="Send it as its data type says."
    )


def encode(payload: Payload) -> bytes:
    """Write a payload. Raises `PayloadInvalid` for a value that its type cannot carry."""
    message = schema().payload()
    _set_if(message, "timestamp", payload.timestamp)
    _set_if(message, "seq", payload.seq)
    _set_if(message, "uuid", payload.uuid or None)
    _set_if(message, "body", payload.body or None)
    _write_metrics(message.metrics, payload.metrics)
    written: bytes = message.SerializeToString(deterministic=True)
    return written


def _set_if(message: Any, name: str, value: Any) -> None:
    if value is not None:
        setattr(message, name, value)


def _write_metrics(into: Any, metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        message = into.add()
        _set_if(message, "name", metric.name or None)
        _set_if(message, "alias", metric.alias)
        _set_if(message, "timestamp", metric.timestamp)
        _set_if(message, "datatype", metric.datatype or None)
        for flag in ("is_historical", "is_transient", "is_null"):
            _set_if(message, flag, getattr(metric, flag) or None)
        for name, value in metric.metadata.items():
            setattr(message.metadata, name, value)
        if metric.properties:
            _write_set(message.properties, metric.properties)
        if metric.value is not None:
            _write_value(message, metric.datatype, metric.value, metric.name)


def _write_set(message: Any, properties: dict[str, Property]) -> None:
    for key, one in properties.items():
        message.keys.append(key)
        value = message.values.add(type=one.datatype)
        if one.value is None:
            value.is_null = True
        else:
            _write_value(value, one.datatype, one.value, key)


def _write_value(message: Any, datatype: int, value: Any, name: str) -> None:
    try:
        writer = _NESTED.get(type(value))
        if writer is not None:
            writer(message, value)
        elif isinstance(value, tuple) and datatype == DataType.PROPERTY_SET_LIST:
            for one in value:
                _write_set(message.propertysets_value.propertyset.add(), one)
        elif isinstance(value, tuple):
            message.bytes_value = _write_array(value, datatype)
        else:
            _write_scalar(message, datatype, value)
    except _UNWRITABLE as error:
        raise _wrong(name, f"a value that its type {datatype} does not carry ({error})") from None


def _write_scalar(message: Any, datatype: int, value: Any) -> None:
    if isinstance(value, bool):
        message.boolean_value = value
    elif isinstance(value, bytes):
        message.bytes_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif datatype in (DataType.FLOAT, DataType.DOUBLE) or isinstance(value, float):
        if datatype == DataType.FLOAT:
            message.float_value = _float32(value)
        else:
            message.double_value = value
    elif datatype in _LONG or not -(2**31) <= value < 2**32:
        message.long_value = value & (2**64 - 1)
    else:
        message.int_value = value & (2**32 - 1)


def _write_array(value: tuple[Any, ...], datatype: int) -> bytes:
    if datatype == DataType.STRING_ARRAY:
        return b"".join(one.encode("utf-8") + b"\0" for one in value)
    if datatype == DataType.BOOLEAN_ARRAY:
        packed = bytearray((len(value) + 7) // 8)
        for at, one in enumerate(value):
            packed[at // 8] |= bool(one) << (7 - at % 8)
        return len(value).to_bytes(4, "little") + bytes(packed)
    members = [math.nan if one is None else one for one in value]
    return struct.pack(f"<{len(value)}{_ARRAYS[datatype]}", *members)


def _write_dataset(message: Any, value: DataSet) -> None:
    into = message.dataset_value
    into.num_of_columns = len(value.columns)
    into.columns.extend(value.columns)
    into.types.extend(value.types)
    for row in value.rows:
        written = into.rows.add()
        for cell, kind in zip(row, value.types, strict=True):
            element = written.elements.add()
            if cell is not None:
                _write_scalar(element, kind, cell)


def _write_template(message: Any, value: Template) -> None:
    into = message.template_value
    into.SetInParent()
    _set_if(into, "version", value.version or None)
    _set_if(into, "template_ref", value.template_ref or None)
    _set_if(into, "is_definition", value.is_definition or None)
    for one in value.parameters:
        parameter = into.parameters.add(name=one.name, type=one.datatype)
        if one.value is not None:
            _write_scalar(parameter, one.datatype, one.value)
    _write_metrics(into.metrics, value.metrics)


_NESTED: Final[dict[type, Callable[[Any, Any], None]]] = {
    DataSet: _write_dataset,
    Template: _write_template,
    dict: lambda message, value: _write_set(message.propertyset_value, value),
}
