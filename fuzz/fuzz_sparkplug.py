"""Mutated Sparkplug B payloads: `python fuzz/fuzz_sparkplug.py --inputs 10000000`.

What is taken is written and read again to the same Structs; what is not is refused with a
reason and a remedy. Needs the extra `sparkplug`.
"""

import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from fuzz.fuzz_payloads import require_remedy
from fuzz.harness import main

from weft.errors import PayloadInvalid
from weft.wire.payload.sparkplug import (
    DataSet,
    DataType,
    Metric,
    Parameter,
    Payload,
    Property,
    Template,
    decode,
    encode,
)


def target(data: bytes) -> int:
    """Feed one payload."""
    try:
        payload = decode(data)
    except PayloadInvalid as error:
        require_remedy(error)
        raise
    require_finite(msgspec.to_builtins(payload))
    try:
        written = encode(payload)
    except PayloadInvalid:
        return 0  # a value of another type than the one that it says
    decode(written)
    return 0


def require_finite(value: Any) -> None:
    """No number without an end."""
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict):
        for inner in value.values():
            require_finite(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            require_finite(inner)


def load_corpus() -> list[bytes]:
    """A birth with all kinds of values, data by alias, a death, a command."""
    values: list[tuple[DataType, Any]] = [
        (DataType.INT8, -1),
        (DataType.INT64, -5),
        (DataType.UINT32, 5),
        (DataType.FLOAT, 1.5),
        (DataType.DOUBLE, 1e300),
        (DataType.BOOLEAN, True),
        (DataType.STRING, "text"),
        (DataType.DATETIME, 1772366300000),
        (DataType.BYTES, b"\x00\x01"),
        (DataType.INT16_ARRAY, (1, -2)),
        (DataType.BOOLEAN_ARRAY, (True, False, True)),
        (DataType.STRING_ARRAY, ("a", "b")),
        (DataType.DATASET, DataSet(("a", "b"), (3, 12), ((1, "x"), (2, None)))),
        (
            DataType.TEMPLATE,
            Template(
                (Metric("m", datatype=DataType.INT32, value=1),),
                parameters=(Parameter("p", DataType.INT32, 3),),
                template_ref="T",
            ),
        ),
    ]
    metrics = tuple(
        Metric(
            f"Area/{kind.name}",
            number,
            1772366300000,
            kind,
            value,
            properties={
                "unit": Property(DataType.STRING, "bar"),
                "set": Property(DataType.PROPERTY_SET, {"a": Property(DataType.INT32, 1)}),
            },
            metadata={"size": 5, "md5": "x"},
        )
        for number, (kind, value) in enumerate(values)
    )
    each = [Payload((one,), 1772366300000, number) for number, one in enumerate(metrics)]
    data = Payload(tuple(Metric(alias=one.alias, value=one.value) for one in metrics[:4]), seq=1)
    death = Payload((Metric("bdSeq", datatype=DataType.INT64, value=1),))
    return [encode(one) for one in (*each, Payload(metrics, seq=0), data, death)]


if __name__ == "__main__":
    sys.exit(main("sparkplug", target, load_corpus(), held_bytes=0))
