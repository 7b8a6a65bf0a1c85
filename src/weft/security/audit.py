"""Audit: who did what, in a chain that shows when a record was changed or taken away.

An act and its record are one transaction: if the record cannot be written, the act has
not happened (AL-4). Each record of a tenant carries the hash of the one before; signed
checkpoints and an exported head show what a chain by itself cannot: that its end was cut
off, or that all of it was written anew. No record ever holds a secret (AL-1).
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct, field, structs

from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import escape_controls
from weft.ports import Clock, Kind, Reader, Record, Records, Writer

GENESIS = "0" * 64
TEXT_MAX = 1_024  # of one field; a record is a line, not a document
PAGE = 500
CHECKPOINT_S = 60
CHECKPOINT_RECORDS = 1_000


class Origin(Struct, frozen=True):
    """Where a request came from; boundaries set it, audit records carry it."""

    address: str = ""
    request_id: str = ""


ORIGIN: ContextVar[Origin] = ContextVar("weft_origin", default=Origin())  # noqa: B039  frozen


class AuditRecord(Struct, frozen=True):
    """One act."""

    sequence: int
    at: int
    tenant: TenantId
    actor: str
    actor_kind: PrincipalKind
    actor_uid: str
    action: str
    target: str
    outcome: str  # done, denied, failed
    reason: str = ""
    address: str = ""
    request_id: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    previous: str = GENESIS
    hash: str = ""


class AuditHead(Struct, frozen=True):
    """The end of a tenant's chain."""

    sequence: int = 0
    hash: str = GENESIS


class Checkpoint(Struct, frozen=True):
    """A head that was signed; the same is what `export_head` gives away."""

    tenant: TenantId
    sequence: int
    hash: str
    at: int
    signature: str  # Ed25519, base64


class AuditReport(Struct, frozen=True):
    """What a verification found."""

    tenant: TenantId
    intact: bool
    records: int
    first_bad: int | None = None
    reason: str = ""


AUDIT: Kind[AuditRecord] = Kind(
    "audit",
    AuditRecord,
    index=lambda r: {"actor": r.actor, "action": r.action, "target": r.target},
)
AUDIT_HEAD: Kind[AuditHead] = Kind("audit_head", AuditHead)
AUDIT_CHECKPOINT: Kind[Checkpoint] = Kind("audit_checkpoint", Checkpoint)

_HEAD_KEY = "head"
_SECRET_NAMES = re.compile(r"secret|password|passphrase|token|private|pepper", re.IGNORECASE)
_SECRET_TEXTS = re.compile(
    r"weft_[a-z2-7]{16}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
WITHHELD = "[withheld]"


def key_of(sequence: int) -> str:
    """Return the record key of a sequence number; keys sort as numbers do."""
    return f"{sequence:016d}"


class Audit:
    """Writes, lists, signs and verifies the chains. `signing_key` is 32 secret bytes."""

    def __init__(self, records: Records, clock: Clock, signing_key: bytes) -> None:
        self._records = records
        self._clock = clock
        self._key = Ed25519PrivateKey.from_private_bytes(signing_key)
        self._unsigned = 0  # written since the last checkpoint; counted in the writing thread
        self._signed_at = clock.now()

    def entry(
        self,
        writer: Writer,
        actor: Principal,
        action: str,
        target: str,
        *,
        outcome: str = "done",
        detail: Mapping[str, Any] | None = None,
    ) -> AuditRecord:
        """Add a record in the caller's transaction; `detail["reason"]` says why it was so."""
        chain = actor.tenant
        more = dict(detail or {})
        reason = str(more.pop("reason", ""))
        found = writer.find(AUDIT_HEAD, chain, _HEAD_KEY)
        head = found.value if found else AuditHead()
        origin = ORIGIN.get()
        record = AuditRecord(
            sequence=head.sequence + 1,
            at=self._clock.now(),
            tenant=chain,
            actor=_clean(actor.id),
            actor_kind=actor.kind,
            actor_uid=actor.uid,
            action=action,
            target=_clean(target),
            outcome=outcome,
            reason=_clean(reason),
            address=_clean(origin.address),
            request_id=_clean(origin.request_id),
            detail=_clean_value(more),
            previous=head.hash,
        )
        record = structs.replace(record, hash=hash_of(record))
        writer.insert(AUDIT, chain, key_of(record.sequence), record)
        writer.put(
            AUDIT_HEAD,
            chain,
            _HEAD_KEY,
            AuditHead(record.sequence, record.hash),
            version=found.version if found else 0,
        )
        self._unsigned += 1
        return record

    async def record(
        self,
        actor: Principal,
        action: str,
        target: str,
        *,
        outcome: str = "done",
        detail: Mapping[str, Any] | None = None,
    ) -> AuditRecord:
        """Add a record of something that changed no other record, as a denied request."""
        return await self._records.write(
            lambda w: self.entry(w, actor, action, target, outcome=outcome, detail=detail)
        )

    async def list_records(
        self,
        tenant: TenantId,
        *,
        where: tuple[str, str] | None = None,
        after: str = "",
        limit: int = 100,
        descending: bool = True,
    ) -> Sequence[Record[AuditRecord]]:
        """Return records, newest first; `where` is by `actor`, `action` or `target`."""
        return await self._records.read(
            lambda r: r.list(
                AUDIT, tenant, where=where, after=after, limit=limit, descending=descending
            )
        )

    @property
    def public_key(self) -> str:
        """The key that checks signatures, base64; to be kept where the chain is not."""
        raw = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        return base64.b64encode(raw).decode()

    async def export_head(self, tenant: TenantId) -> Checkpoint:
        """Return the signed end of a chain, to be kept outside: it shows a truncation."""
        head = await self._records.read(lambda r: _head(r, tenant))
        return self._sign(tenant, head)

    async def checkpoint(self) -> int:
        """Sign the end of every chain that has grown; return how many were signed."""

        def work(writer: Writer) -> int:
            signed = 0
            for tenant in writer.tenants(AUDIT_HEAD):
                head = _head(writer, tenant)
                if writer.find(AUDIT_CHECKPOINT, tenant, key_of(head.sequence)) is None:
                    point = self._sign(tenant, head)
                    writer.insert(AUDIT_CHECKPOINT, tenant, key_of(head.sequence), point)
                    signed += 1
            return signed

        self._unsigned, self._signed_at = 0, self._clock.now()
        return await self._records.write(work)

    async def checkpoint_if_due(self) -> int:
        """Sign when a minute has passed or a thousand records were written; call each second."""
        age_s = (self._clock.now() - self._signed_at) / NS_PER_S
        due = self._unsigned >= CHECKPOINT_RECORDS or age_s >= CHECKPOINT_S
        return await self.checkpoint() if due else 0

    def _sign(self, tenant: TenantId, head: AuditHead) -> Checkpoint:
        point = Checkpoint(tenant, head.sequence, head.hash, self._clock.now(), "")
        signature = base64.b64encode(self._key.sign(_signed_bytes(point))).decode()
        return structs.replace(point, signature=signature)

    def is_signed(self, point: Checkpoint) -> bool:
        """Whether a checkpoint carries our signature."""
        with suppress(InvalidSignature, ValueError):
            self._key.public_key().verify(
                base64.b64decode(point.signature, validate=True), _signed_bytes(point)
            )
            return True
        return False

    async def verify(self, tenant: TenantId, exported: Checkpoint | None = None) -> AuditReport:
        """Walk a chain; name the first record that is not as it was written."""
        head, surplus = await self._records.read(lambda r: _head_and_surplus(r, tenant))
        if surplus is not None:
            return _bad(tenant, head.sequence, surplus, "a record stands behind the end")
        points = await self._checkpoints(tenant)
        if exported is not None:
            points[exported.sequence] = exported
        for sequence, point in sorted(points.items()):
            if point.tenant != tenant or not self.is_signed(point):
                return _bad(tenant, 0, sequence, "its signed checkpoint does not verify")
        previous, expected, after = GENESIS, 1, ""
        while expected <= head.sequence:
            page = await self._page(tenant, after)
            if not page:
                break
            for stored in page:
                if expected > head.sequence:
                    break
                fault = _fault(stored, tenant, expected, previous, points.get(expected))
                if fault:
                    return _bad(tenant, expected - 1, expected, fault)
                previous, expected, after = stored.value.hash, expected + 1, stored.key
        return self._end(tenant, head, previous, expected - 1, points)

    def _end(
        self,
        tenant: TenantId,
        head: AuditHead,
        last_hash: str,
        count: int,
        points: Mapping[int, Checkpoint],
    ) -> AuditReport:
        signed = max(points, default=0)
        if count < max(head.sequence, signed):
            return _bad(tenant, count, count + 1, "the record is missing: the chain was cut off")
        if head.hash != last_hash:
            return _bad(tenant, count, count, "the stored head is not that of the last record")
        return AuditReport(tenant, intact=True, records=count)

    async def _page(self, tenant: TenantId, after: str) -> Sequence[Record[AuditRecord]]:
        return await self._records.read(lambda r: r.list(AUDIT, tenant, after=after, limit=PAGE))

    async def _checkpoints(self, tenant: TenantId) -> dict[int, Checkpoint]:
        points: dict[int, Checkpoint] = {}
        after = ""
        while True:
            start = after
            page = await self._records.read(
                lambda r, start=start: r.list(  # type: ignore[misc]  # bound per turn
                    AUDIT_CHECKPOINT, tenant, after=start, limit=PAGE
                )
            )
            points.update((stored.value.sequence, stored.value) for stored in page)
            if len(page) < PAGE:
                return points
            after = page[-1].key


def hash_of(record: AuditRecord) -> str:
    """Return SHA-256 of the previous hash and the record as canonical JSON."""
    document = structs.asdict(record)
    document.pop("hash")
    previous = document.pop("previous")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(previous.encode() + text.encode()).hexdigest()


def _head(reader: Reader, tenant: TenantId) -> AuditHead:
    found = reader.find(AUDIT_HEAD, tenant, _HEAD_KEY)
    return found.value if found else AuditHead()


def _head_and_surplus(reader: Reader, tenant: TenantId) -> tuple[AuditHead, int | None]:
    head = _head(reader, tenant)
    behind = reader.list(AUDIT, tenant, after=key_of(head.sequence), limit=1)
    return head, behind[0].value.sequence if behind else None


def _signed_bytes(point: Checkpoint) -> bytes:
    return json.dumps(["weft-audit", point.tenant, point.sequence, point.hash, point.at]).encode()


def _fault(
    stored: Record[AuditRecord],
    tenant: TenantId,
    expected: int,
    previous: str,
    point: Checkpoint | None,
) -> str:
    record = stored.value
    if stored.key != key_of(expected):
        return "the record is missing"
    if record.sequence != expected or record.tenant != tenant:
        return "the record stands in another's place"
    if record.previous != previous:
        return "the record does not follow the one before"
    if record.hash != hash_of(record):
        return "the record was changed"
    if point is not None and point.hash != record.hash:
        return "the chain was written anew: a signed checkpoint says otherwise"
    return ""


def _bad(tenant: TenantId, records: int, first_bad: int, reason: str) -> AuditReport:
    return AuditReport(tenant, intact=False, records=records, first_bad=first_bad, reason=reason)


def _clean(text: str) -> str:
    return _SECRET_TEXTS.sub(WITHHELD, escape_controls(text[:TEXT_MAX]))


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {
            _clean(str(key)): WITHHELD if _SECRET_NAMES.search(str(key)) else _clean_value(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean_value(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))
