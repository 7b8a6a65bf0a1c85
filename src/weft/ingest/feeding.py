"""Feeding: many messages on one topic by a caller that waits for each batch's commit.

What is admitted together is committed together; a caller that waits between batches can
never be ahead of the disk by more than one of them.
"""

from collections.abc import Sequence

from weft.ingest.gate import Gate
from weft.ingest.gate_session import Message
from weft.ingest.pipeline import CommitFuture, Pipeline
from weft.model.message import RejectionReason
from weft.model.principal import Principal
from weft.ports import Clock


class Feed:
    """One caller's messages on one topic."""

    def __init__(
        self, way_in: tuple[Gate, Pipeline, Clock], principal: Principal, topic: str, address: str
    ) -> None:
        self._gate, self._pipeline, self._clock = way_in
        self._session = self._gate.open(principal, address)
        self._topic = topic

    async def put(self, payloads: Sequence[bytes]) -> tuple[int, list[RejectionReason | None]]:
        """Admit messages; return the newest position and each one's reason, once on disk.

        A refused message is kept in the inbox. Raises `StorageError` when nothing could be
        kept: then none of these was, and all before them were.
        """
        self._gate.refresh(self._session)
        now = self._clock.now()
        reasons = [
            self._gate.admit(self._session, Message(self._topic, payload), now)
            for payload in payloads
        ]
        done = CommitFuture()
        self._pipeline.acknowledge(done, self._pipeline.newest)
        return await done.wait(), reasons
