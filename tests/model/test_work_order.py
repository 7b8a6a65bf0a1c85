"""What is to be told waits in the record, so it survives its encoding."""

import msgspec

from weft.model.work_order import Remark, Telling, TellingKind


def test_what_waits_to_be_told_survives_a_restart() -> None:
    """Records are msgpack."""
    waiting = [Telling(TellingKind.CLOSE, "done", 1), Telling(TellingKind.NOTE, "see", 2)]
    encoded = msgspec.msgpack.encode(waiting)
    assert msgspec.msgpack.decode(encoded, type=list[Telling]) == waiting
    remark = Remark(1, "user:alice", "on my way")
    assert msgspec.convert(msgspec.to_builtins(remark), Remark) == remark
