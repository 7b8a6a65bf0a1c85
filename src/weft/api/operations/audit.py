"""Operations on the audit: who did what, and whether the record of it is whole."""

from typing import Any

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Invalid
from weft.security.audit import AuditRecord, Checkpoint


class AuditView(Struct, frozen=True):
    """A record of the audit as the API shows it."""

    sequence: int
    at: Moment
    actor: str
    actor_kind: str
    action: str
    target: str
    outcome: str
    reason: str
    address: str
    request_id: str
    detail: dict[str, Any]
    hash: str


class AuditList(Paging, frozen=True):
    """Which records to list: by one of these."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None


class AuditHeadView(Struct, frozen=True):
    """The signed end of the chain; keep it elsewhere, it shows a truncation."""

    sequence: int
    hash: str
    at: int  # ns, as it was signed
    signature: str
    public_key: str


class KnownHead(Struct, frozen=True, forbid_unknown_fields=True):
    """A head that was kept elsewhere."""

    sequence: int
    hash: str
    at: int
    signature: str


class AuditVerdict(Struct, frozen=True):
    """What a verification found."""

    intact: bool
    records: int
    first_bad: int | None
    reason: str


def view_of(record: AuditRecord) -> AuditView:
    """Show a record."""
    return AuditView(
        sequence=record.sequence,
        at=moment(record.at) or "",
        actor=record.actor,
        actor_kind=record.actor_kind,
        action=record.action,
        target=record.target,
        outcome=record.outcome,
        reason=record.reason,
        address=record.address,
        request_id=record.request_id,
        detail=record.detail,
        hash=record.hash,
    )


async def list_audit(services: Services, call: Call) -> Page[AuditView]:
    """Answer with a page of records, newest first."""
    query: AuditList = call.query
    asked = [(name, getattr(query, name)) for name in ("actor", "action", "target")]
    where = [(name, text) for name, text in asked if text is not None]
    if len(where) > 1:
        raise Invalid("Only one of actor, action and target can be asked for at a time.")
    found = await services.audit.list_records(
        call.principal.tenant,
        where=where[0] if where else None,
        after=after_of(call, "audit"),
        limit=query.limit + 1,
    )
    return page_of(call, "audit", found, lambda r: view_of(r.value), lambda r: r.key)


async def get_audit_head(services: Services, call: Call) -> AuditHeadView:
    """Answer with the signed end of the chain."""
    head = await services.audit.export_head(call.principal.tenant)
    return AuditHeadView(
        head.sequence, head.hash, head.at, head.signature, services.audit.public_key
    )


async def verify_audit(services: Services, call: Call) -> AuditVerdict:
    """Walk the chain, against a head that was kept elsewhere where one is given."""
    known: KnownHead | None = call.body
    tenant = call.principal.tenant
    exported = (
        None
        if known is None
        else Checkpoint(tenant, known.sequence, known.hash, known.at, known.signature)
    )
    report = await services.audit.verify(tenant, exported)
    return AuditVerdict(report.intact, report.records, report.first_bad, report.reason)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_audit",
        "GET",
        "/audit",
        "List what was done, newest first",
        list_audit,
        action="audit.read",
        query=AuditList,
        result=Page[AuditView],
        command=Command(
            "audit", "list", columns=("sequence", "at", "actor", "action", "target", "outcome")
        ),
    ),
    Operation(
        "get_audit_head",
        "GET",
        "/audit/head",
        "Show the signed end of the audit",
        get_audit_head,
        action="audit.read",
        result=AuditHeadView,
        command=Command("audit", "head"),
    ),
    Operation(
        "verify_audit",
        "POST",
        "/audit/verify",
        "Verify that the audit is whole",
        verify_audit,
        action="audit.verify",
        description="With a head that was kept elsewhere, a truncation shows as well.",
        body=KnownHead,
        body_optional=True,
        result=AuditVerdict,
        command=Command("audit", "verify"),
    ),
)
