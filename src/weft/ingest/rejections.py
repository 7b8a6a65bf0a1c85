"""The rejection inbox: what was refused, why, and what to do; from there it is redriven.

Refused messages travel through the journal as all others do, so none is lost between the
refusal and the inbox. A flood keeps the newest of each source and counts the rest.
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from weft.commands.refusals import RefusedAnswer
from weft.errors import Conflict, PeerError
from weft.ingest.gate import Gate
from weft.ingest.refusals import TEXT_MAX_CHARACTERS
from weft.ingest.submit import Ingest, Message
from weft.model.ids import TenantId
from weft.model.message import Committed, Envelope, Operation, RejectionReason
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Kind, Reader, Record, Records, Writer
from weft.security.audit import Audit
from weft.security.enrolment import DevicePending

log = get_logger(__name__)

PAYLOAD_MAX_BYTES = 64 * 1024  # a larger one stays in the journal only and cannot be redriven
# Held in memory between two checkpoints, or for as long as the disk takes no more.
FRESH_MAX = 10_000
FRESH_MAX_BYTES = 32 * 1024 * 1024


class RejectionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rejections]`: how much of what was refused is kept."""

    per_source: int = 100  # between two checkpoints; a flood says the same thing over and over
    per_tenant: int = 10_000
    per_waiting_device: int = 50  # enough to see what it is; the first ones stay
    per_waiting_device_bytes: int = 128 * 1024


class Rejection(Struct, frozen=True):
    """One refused message."""

    position: int
    tenant: TenantId
    principal_kind: str
    principal_id: str
    device_id: str
    topic: str
    received_at: int
    code: str
    detail: str
    remedy: str
    payload: bytes
    payload_bytes: int
    qos: int
    left_out_before: int = 0  # like it, from the same source, since the one before
    principal_uid: str = ""  # a namesake made later is not who sent it (ID-1)
    left_out_after: int = 0  # of a device in the quarantine: behind it, for want of room
    content_type: str = ""  # as stated; it is read by it again


def _index(rejection: Rejection) -> dict[str, str]:
    texts = {"device": rejection.device_id, "code": rejection.code}
    if rejection.code == DevicePending.code:
        texts["waiting"] = _waiting(rejection)
    return texts


def _waiting(rejection: Rejection) -> str:
    """Return what the first words of one waiting device are found by; no namesake shares it."""
    return f"{rejection.principal_uid}/{rejection.device_id}"


REJECTIONS: Kind[Rejection] = Kind("rejection", Rejection, index=_index, edition=2)
POSITION: Kind[int] = Kind("projection", int)
PLATFORM = TenantId("")
UNLISTED_REMEDY = "Look at what is listed: too many devices are refused; the journal has the rest."


def rejection_key(position: int) -> str:
    """Return the key of the message at a position; sorts by age."""
    return f"{position:020d}"


Source = tuple[str, str]  # tenant, and device or other sender


class Fresh:
    """What was refused since the last checkpoint: a bounded number of each source and in all."""

    def __init__(self, per_source: int) -> None:
        self._per_source = per_source
        self._by_source: dict[Source, list[Rejection]] = {}
        self._left_out: dict[Source, int] = {}
        self._count = 0
        self._bytes = 0
        self.unlisted = 0  # of sources that there was no room for

    def add(self, rejection: Rejection) -> None:
        """Take one in; the oldest of its source makes room for it."""
        source = (rejection.tenant, rejection.device_id or rejection.principal_id)
        held = self._by_source.get(source, [])
        full = self._count >= FRESH_MAX or self._bytes >= FRESH_MAX_BYTES
        if full and not held:
            self.unlisted += 1
            return
        if full or len(held) >= self._per_source:
            oldest = held.pop(0)
            self._count -= 1
            self._bytes -= len(oldest.payload)
            self._left_out[source] = self._left_out.get(source, 0) + 1
        left_out = self._left_out.get(source, 0) + rejection.left_out_before
        held.append(replace(rejection, left_out_before=left_out))
        self._by_source[source] = held
        self._count += 1
        self._bytes += len(rejection.payload)

    def all(self) -> list[Rejection]:
        """Return everything, in the order of the journal."""
        found = [rejection for held in self._by_source.values() for rejection in held]
        found.sort(key=lambda rejection: rejection.position)
        return found


class _FirstWords(Struct):
    """What is kept of a device that waits, while a checkpoint adds to it."""

    kept: int
    payload_bytes: int
    last: Rejection | None
    left_out: int = 0  # in this checkpoint, behind the last


class RejectionInbox:
    """The projection that fills the inbox."""

    name = "rejections"

    def __init__(self, records: Records, settings: RejectionSettings) -> None:
        self._records = records
        self._settings = settings
        self._applied = 0
        self._durable = 0
        self._fresh = Fresh(settings.per_source)
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read how far the inbox has come."""
        record = await self._records.read(lambda r: r.find(POSITION, PLATFORM, self.name))
        self._applied = self._durable = record.value if record else 0

    @property
    def position(self) -> int:
        """Durable position."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Bounded by itself; never a reason to stop the door."""
        return 0

    def apply(self, batch: Committed) -> None:
        """Pick out what was refused."""
        for number, envelope in enumerate(batch.envelopes):
            if envelope.route.operation is Operation.REJECTED:
                self._note(batch.first + number, envelope)
        self._applied = batch.last

    def _note(self, position: int, envelope: Envelope) -> None:
        reason = envelope.rejection
        if reason is None:
            return  # cannot be: the gate gives each refused message its reason
        self._fresh.add(_rejection_of(position, envelope, reason))

    def put_answers(self, w: Writer, answers: Sequence[RefusedAnswer]) -> None:
        """Put in answers to commands that the door let in and that decided nothing.

        Doing so twice changes nothing: each has the place of its message in the journal.
        """
        for answer in answers:
            made = _rejection_of(answer.position, answer.envelope, answer.reason)
            made = replace(made, left_out_before=answer.left_out_before)
            w.put(REJECTIONS, made.tenant, rejection_key(made.position), made)
        for tenant in {answer.envelope.route.tenant for answer in answers}:
            self._drop_oldest(w, tenant)

    async def checkpoint(self) -> None:
        """Write what is new, within the tenant's bound, with the position."""
        async with self._writing:
            if self._applied != self._durable:
                await self._write()

    async def _write(self) -> None:
        applied = self._applied
        taken, self._fresh = self._fresh, Fresh(self._settings.per_source)
        rejections = taken.all()

        def write(w: Writer) -> None:
            waiting: dict[tuple[TenantId, str], _FirstWords] = {}
            for rejection in rejections:
                if rejection.code == DevicePending.code:
                    self._put_first(w, rejection, waiting)
                    continue
                w.put(REJECTIONS, rejection.tenant, rejection_key(rejection.position), rejection)
            for words in waiting.values():
                _note_left_out(w, words)
            for tenant in {rejection.tenant for rejection in rejections}:
                self._drop_oldest(w, tenant)
            w.put(POSITION, PLATFORM, self.name, applied)

        try:
            await self._records.write(write)
        except BaseException:
            for rejection in self._fresh.all():
                taken.add(rejection)
            taken.unlisted += self._fresh.unlisted
            self._fresh = taken
            raise
        self._durable = applied
        if taken.unlisted:
            log.warning("rejections_not_listed", count=taken.unlisted, remedy=UNLISTED_REMEDY)

    def _put_first(
        self, w: Writer, rejection: Rejection, waiting: dict[tuple[TenantId, str], _FirstWords]
    ) -> None:
        """Keep the first words of a device that waits, as far as there is room for them.

        What is kept of it is read once a checkpoint, and is never more than there is room for.
        """
        place = (rejection.tenant, _waiting(rejection))
        words = waiting.get(place)
        if words is None:
            words = waiting[place] = self._first_words(w, rejection)
        size = words.payload_bytes + len(rejection.payload)
        fits = (
            words.kept < self._settings.per_waiting_device
            and size <= self._settings.per_waiting_device_bytes
        )
        if words.last is not None and not fits:
            words.left_out += rejection.left_out_before + 1
            return
        _note_left_out(w, words)
        w.put(REJECTIONS, rejection.tenant, rejection_key(rejection.position), rejection)
        words.kept, words.payload_bytes, words.last = words.kept + 1, size, rejection

    def _first_words(self, w: Writer, rejection: Rejection) -> _FirstWords:
        held = w.list(
            REJECTIONS,
            rejection.tenant,
            where=("waiting", _waiting(rejection)),
            limit=self._settings.per_waiting_device + 1,
        )
        kept = [one.value for one in held if one.value.position != rejection.position]
        size = sum(len(one.payload) for one in kept)
        return _FirstWords(len(kept), size, kept[-1] if kept else None)

    def _drop_oldest(self, w: Writer, tenant: TenantId) -> None:
        excess = w.count(REJECTIONS, tenant) - self._settings.per_tenant
        if excess <= 0:
            return
        for record in w.list(REJECTIONS, tenant, limit=excess):
            w.delete(REJECTIONS, tenant, record.key)
        log.warning("rejections_dropped", tenant=tenant, dropped=excess)


def _note_left_out(w: Writer, words: _FirstWords) -> None:
    """Say behind the last of a waiting device's words how many were left out."""
    if words.last is None or not words.left_out:
        return
    told = replace(words.last, left_out_after=words.last.left_out_after + words.left_out)
    w.put(REJECTIONS, told.tenant, rejection_key(told.position), told)
    words.last, words.left_out = told, 0


def _rejection_of(position: int, envelope: Envelope, reason: RejectionReason) -> Rejection:
    route = envelope.route
    return Rejection(
        position,
        route.tenant,
        route.principal_kind,
        route.principal_id,
        route.device_id,
        route.topic,
        envelope.received_at,
        reason.code,
        reason.detail,
        reason.remedy,
        envelope.payload[:PAYLOAD_MAX_BYTES],
        len(envelope.payload),
        envelope.qos,
        principal_uid=route.principal_uid,
        content_type=(envelope.properties and envelope.properties.content_type) or "",
    )


class Rejections:
    """What people do with the inbox."""

    def __init__(
        self, records: Records, inbox: RejectionInbox, gate: Gate, ingest: Ingest, audit: Audit
    ) -> None:
        self._records = records
        self._inbox = inbox
        self._gate = gate
        self._ingest = ingest
        self._audit = audit
        self._redriving: set[tuple[TenantId, int]] = set()

    async def list(
        self,
        tenant: TenantId,
        *,
        where: tuple[str, str] | None = None,
        after: str = "",
        limit: int = 100,
        oldest_first: bool = False,
    ) -> Sequence[Record[Rejection]]:
        """Return rejections, newest first unless asked otherwise; `where` is by device or code."""
        await self._inbox.checkpoint()
        down = not oldest_first

        def read(r: Reader) -> Sequence[Record[Rejection]]:
            return r.list(
                REJECTIONS, tenant, where=where, after=after, limit=limit, descending=down
            )

        return await self._records.read(read)

    async def get(self, tenant: TenantId, position: int) -> Rejection:
        """Return one, or raise `NotFound`."""
        key = rejection_key(position)
        return (await self._records.read(lambda r: r.get(REJECTIONS, tenant, key))).value

    async def delete(self, actor: Principal, position: int) -> None:
        """Drop one for good; raise `NotFound` if it is not there."""
        key = rejection_key(position)

        def write(w: Writer) -> None:
            w.get(REJECTIONS, actor.tenant, key)
            w.delete(REJECTIONS, actor.tenant, key)
            self._audit.entry(w, actor, "rejection.delete", f"rejection:{position}")

        await self._records.write(write)

    async def _restate(self, tenant: TenantId, position: int, error: PeerError) -> None:
        """Say why a message that was redriven was refused again, in place of why it was first."""
        key = rejection_key(position)
        detail, remedy = error.detail[:TEXT_MAX_CHARACTERS], error.remedy[:TEXT_MAX_CHARACTERS]

        def write(w: Writer) -> None:
            record = w.find(REJECTIONS, tenant, key)
            if record is not None:
                new = replace(record.value, code=error.code, detail=detail, remedy=remedy)
                w.put(REJECTIONS, tenant, key, new, version=record.version)

        await self._records.write(write)

    async def redrive(self, actor: Principal, position: int, sender: Principal) -> int:
        """Send a refused message through the gate again, as its sender, at its own moment.

        Returns its new position. Refused again: raises the reason, and it stays in the inbox,
        with that reason in place of the one before.
        """
        place = (actor.tenant, position)
        if place in self._redriving:
            raise Conflict(f"Rejection {position} is being redriven.", remedy="Look again.")
        self._redriving.add(place)
        try:
            return await self._redrive(actor, position, sender)
        finally:
            self._redriving.discard(place)

    async def _redrive(self, actor: Principal, position: int, sender: Principal) -> int:
        rejection = await self.get(actor.tenant, position)
        if rejection.payload_bytes > len(rejection.payload):
            raise Conflict(
                f"The payload of {rejection.payload_bytes} bytes was not kept whole.",
                remedy="Have the device send it again.",
            )
        if rejection.principal_uid not in {"", sender.uid}:
            raise Conflict(
                f"Its sender {sender} was deleted; who bears the name now has not sent it.",
                remedy="Delete the rejection.",
            )
        session = self._gate.open(sender, "redrive")
        message = Message(rejection.topic, rejection.payload)
        try:
            admitted = await self._ingest.admit_again(
                session, message, rejection.received_at, rejection.content_type or None
            )
        except PeerError as error:
            await self._restate(actor.tenant, position, error)
            raise

        def write(w: Writer) -> None:
            w.delete(REJECTIONS, actor.tenant, rejection_key(position))
            self._audit.entry(
                w,
                actor,
                "rejection.redrive",
                f"rejection:{position}",
                detail={"position": admitted},
            )

        await self._records.write(write)
        return admitted


__all__ = ["REJECTIONS", "Rejection", "RejectionInbox", "RejectionSettings", "Rejections"]
