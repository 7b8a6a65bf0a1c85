"""The rejection inbox: what was refused, why, and what to do; from there it is redriven.

Refused messages travel through the journal as all others do, so none is lost between the
refusal and the inbox. A flood keeps the newest of each source and counts the rest.
"""

from collections.abc import Sequence

from msgspec import Struct

from weft.errors import Conflict
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest, Message
from weft.model.ids import TenantId
from weft.model.message import Committed, Envelope, Operation
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Kind, Reader, Record, Records, Writer
from weft.security.audit import Audit

log = get_logger(__name__)

PAYLOAD_MAX_BYTES = 64 * 1024  # a larger one stays in the journal only and cannot be redriven


class RejectionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rejections]`: how much of what was refused is kept."""

    per_source: int = 100  # between two checkpoints; a flood says the same thing over and over
    per_tenant: int = 10_000


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


REJECTIONS: Kind[Rejection] = Kind(
    "rejection", Rejection, index=lambda r: {"device": r.device_id, "code": r.code}
)
POSITION: Kind[int] = Kind("projection", int)
PLATFORM = TenantId("")


def rejection_key(position: int) -> str:
    """Return the key of the message at a position; sorts by age."""
    return f"{position:020d}"


class RejectionInbox:
    """The projection that fills the inbox."""

    name = "rejections"

    def __init__(self, records: Records, settings: RejectionSettings) -> None:
        self._records = records
        self._settings = settings
        self._applied = 0
        self._durable = 0
        self._fresh: dict[tuple[str, str], list[Rejection]] = {}
        self._left_out: dict[tuple[str, str], int] = {}

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
        """Bounded by `per_source` and the sources; never a reason to stop the door."""
        return 0

    def apply(self, batch: Committed) -> None:
        """Pick out what was refused."""
        for number, envelope in enumerate(batch.envelopes):
            if envelope.route.operation is Operation.REJECTED:
                self._note(batch.first + number, envelope)
        self._applied = batch.last

    def _note(self, position: int, envelope: Envelope) -> None:
        route, reason = envelope.route, envelope.rejection
        if reason is None:
            return  # cannot be: the gate gives each refused message its reason
        source = (route.tenant, route.device_id or route.principal_id)
        fresh = self._fresh.setdefault(source, [])
        if len(fresh) >= self._settings.per_source:
            self._left_out[source] = self._left_out.get(source, 0) + 1
            fresh.pop(0)
        fresh.append(
            Rejection(
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
                self._left_out.get(source, 0),
            )
        )

    async def checkpoint(self) -> None:
        """Write what is new, within the tenant's bound, with the position."""
        applied = self._applied
        if applied == self._durable:
            return
        fresh, self._fresh, self._left_out = self._fresh, {}, {}

        def write(w: Writer) -> None:
            for rejections in fresh.values():
                for rejection in rejections:
                    key = rejection_key(rejection.position)
                    w.put(REJECTIONS, rejection.tenant, key, rejection)
            for tenant in {tenant for tenant, _ in fresh}:
                self._drop_oldest(w, TenantId(tenant))
            w.put(POSITION, PLATFORM, self.name, applied)

        await self._records.write(write)
        self._durable = applied

    def _drop_oldest(self, w: Writer, tenant: TenantId) -> None:
        excess = w.count(REJECTIONS, tenant) - self._settings.per_tenant
        if excess <= 0:
            return
        for record in w.list(REJECTIONS, tenant, limit=excess):
            w.delete(REJECTIONS, tenant, record.key)
        log.warning("rejections_dropped", tenant=tenant, dropped=excess)


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

    async def list(
        self,
        tenant: TenantId,
        *,
        where: tuple[str, str] | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[Rejection]]:
        """Return rejections, newest first; `where` is by device or code."""
        await self._inbox.checkpoint()

        def read(r: Reader) -> Sequence[Record[Rejection]]:
            return r.list(
                REJECTIONS, tenant, where=where, after=after, limit=limit, descending=True
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

    async def redrive(self, actor: Principal, position: int, sender: Principal) -> int:
        """Send a refused message through the gate again, as its sender, at its own moment.

        Returns its new position. Refused again: raises the reason, and it stays in the inbox.
        """
        rejection = await self.get(actor.tenant, position)
        if rejection.payload_bytes > len(rejection.payload):
            raise Conflict(
                f"The payload of {rejection.payload_bytes} bytes was not kept whole.",
                remedy="Have the device send it again.",
            )
        session = self._gate.open(sender, "redrive")
        message = Message(rejection.topic, rejection.payload)
        admitted = await self._ingest.admit_again(session, message, rejection.received_at)

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
