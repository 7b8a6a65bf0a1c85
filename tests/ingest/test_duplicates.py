"""The window that tells a resent message from a new one."""

from weft.ingest.duplicates import SESSIONS_MAX, WINDOW, DuplicateWindow
from weft.model.ids import TenantId
from weft.model.message import Committed, Envelope, Operation, Route

ROUTE = Route(TenantId("acme"), "device", "p", "devices/p/telemetry", Operation.TELEMETRY)


def test_the_window_is_filled_from_the_journal() -> None:
    """After a crash the device sends its last packet again; we know it from the journal."""
    window = DuplicateWindow()
    envelopes = [
        Envelope(ROUTE, 1, b"a", qos=1, packet_id=4, session="s"),
        Envelope(ROUTE, 1, b"b", qos=0),
        Envelope(ROUTE, 1, b"c", qos=2, packet_id=5, session="s"),
    ]
    window.note_committed(Committed(1, envelopes, [None] * 3))
    assert list(window.of("s")) == [(4, hash(b"a"))]


def test_memory_is_bounded_per_session_and_in_all() -> None:
    window = DuplicateWindow()
    for number in range(WINDOW * 3):
        window.of("s").append((number, 0))
    assert len(window.of("s")) == WINDOW
    for number in range(SESSIONS_MAX + 10):
        window.of(str(number))
    assert len(window._sessions) == SESSIONS_MAX


def test_what_was_not_stored_is_forgotten_and_what_was_stays_known() -> None:
    """The disk failed under the second message; the first one's PUBACK may be lost all the same."""
    window = DuplicateWindow()
    stored, lost = (
        Envelope(ROUTE, 1, payload, qos=1, packet_id=number, session="s")
        for number, payload in enumerate((b"a", b"b"))
    )
    window.note_committed(Committed(1, [stored, lost], [None] * 2))
    window.forget(lost)
    assert list(window.of("s")) == [(0, hash(b"a"))]


def test_a_packet_id_used_again_for_the_same_words_is_forgotten_as_well() -> None:
    """Were the older one still known, the repetition of the lost one would be swallowed."""
    window = DuplicateWindow()
    twice = [Envelope(ROUTE, at, b"a", qos=1, packet_id=1, session="s") for at in (1, 2)]
    window.note_committed(Committed(1, twice, [None] * 2))
    window.forget(twice[1])
    assert not window.of("s")
