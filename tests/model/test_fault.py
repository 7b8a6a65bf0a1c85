"""A fault's record: what was written by an older version is read by this one."""

import msgspec

from weft.model.alarm import Severity
from weft.model.fault import Fault, FaultState


def test_a_fault_survives_its_encoding() -> None:
    """Records are msgpack; what has a default may be missing."""
    fault = Fault("f", "main", "hot", "asset:u", "d", Severity.MAJOR, FaultState.OPEN, "a", 1, 1, 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fault), type=Fault) == fault
