"""Duplicates: a QoS 1 message sent again after a lost acknowledgement is stored once.

A device that did not see our PUBACK sends the same packet again with DUP set, even when
we had it on disk. At most a receive-maximum of packets can be on their way, so the newest
ones of each session tell: the same packet id with the same payload was here before. The
window is filled again from the journal after a crash.
"""

from collections import OrderedDict, deque

from weft.model.message import Committed, Envelope

WINDOW = 100  # our receive maximum: no more can be sent again
SESSIONS_MAX = 50_000
REBUILD_MESSAGES = 100_000  # read from the journal at start: the window of 1,000 sessions

Recent = deque[tuple[int, int]]


class DuplicateWindow:
    """The newest QoS 1 packets of each session, as (packet id, hash of the payload)."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Recent] = OrderedDict()

    def of(self, session: str) -> Recent:
        """Return the window of a session; the caller appends what it admits."""
        recent = self._sessions.get(session)
        if recent is None:
            recent = self._sessions[session] = deque(maxlen=WINDOW)
            if len(self._sessions) > SESSIONS_MAX:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(session)
        return recent

    def forget(self, envelope: Envelope) -> None:
        """Drop a message that was not stored after all; those before it stay known."""
        recent = self._sessions.get(envelope.session)
        if recent is not None and envelope.qos == 1:
            sent = sent_as(envelope)
            while sent in recent:
                recent.remove(sent)

    def note_committed(self, committed: Committed) -> None:
        """Take in messages read from the journal after a start."""
        for envelope in committed.envelopes:
            if envelope.qos == 1 and envelope.session:
                sent = sent_as(envelope)
                recent = self.of(envelope.session)
                if not envelope.origin or sent not in recent:  # several parts were sent once
                    recent.append(sent)


def sent_as(envelope: Envelope) -> tuple[int, int]:
    """Return what tells the packet that an envelope came in, or was a part of."""
    return envelope.packet_id, hash(envelope.origin or envelope.payload)
