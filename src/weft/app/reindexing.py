"""Re-indexing: records that an earlier Weft wrote are found by what is new in their kind's index.

A record is indexed when it is written. Where a kind's index has changed since, its records are
gone through once at the start, before anything asks for them, a bounded number in one
transaction: a crash goes on where it stopped, and the log says how far it is.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from weft.errors import AlreadyExists
from weft.ingest.rejections import REJECTIONS
from weft.model.ids import TenantId
from weft.observability.log import get_logger
from weft.ports import Kind, Records, Writer
from weft.rules.kinds import ALARMS, OUTBOX, WORK_ORDERS

log = get_logger(__name__)

# Every kind whose index is not the one that its first records were written with.
CHANGED: Final[Sequence[Kind[Any]]] = (ALARMS, OUTBOX, REJECTIONS, WORK_ORDERS)

AT_ONCE: Final = 500  # records in one transaction
TOLD_EVERY: Final = 20_000  # records; a multiple of those at once


class Indexed(Struct, frozen=True):
    """Of which edition a tenant's records of a kind are all indexed, and how far a newer one is."""

    edition: int = 1
    toward: int = 0
    after: str = ""  # the last key that was looked at


INDEXED: Final = Kind("indexed", Indexed)  # by the kind's name


async def reindex(records: Records, kinds: Sequence[Kind[Any]] = CHANGED) -> int:
    """Index anew what needs it; return how many records that changed."""
    changed = 0
    for kind in kinds:
        for tenant in await records.read(lambda reader, kind=kind: reader.tenants(kind)):  # type: ignore[misc]  # bound now
            changed += await _reindex(records, kind, tenant)
    return changed


async def _reindex(records: Records, kind: Kind[Any], tenant: TenantId) -> int:
    changed = looked_at = 0
    while True:
        part = await records.write(lambda writer: _some(writer, kind, tenant))
        if part is None:
            return changed
        looked_at, changed = looked_at + part[0], changed + part[1]
        if part[0] and looked_at % TOLD_EVERY == 0:
            log.info("reindexing", kind=kind.name, tenant=tenant, looked_at=looked_at)


def _some(writer: Writer, kind: Kind[Any], tenant: TenantId) -> tuple[int, int] | None:
    """Go through the next records; return how many, and how many changed; None when all are."""
    record = writer.find(INDEXED, tenant, kind.name)
    held = record.value if record is not None else Indexed()
    if held.edition >= kind.edition:
        return None
    after = held.after if held.toward == kind.edition else ""
    page = writer.list(kind, tenant, after=after, limit=AT_ONCE)
    changed = sum(_one(writer, kind, tenant, found.key) for found in page)
    if len(page) < AT_ONCE:
        reached = Indexed(edition=kind.edition)
    else:
        reached = Indexed(held.edition, kind.edition, page[-1].key)
    writer.put(INDEXED, tenant, kind.name, reached)
    return len(page), changed


def _one(writer: Writer, kind: Kind[Any], tenant: TenantId, key: str) -> bool:
    try:
        return writer.reindex(kind, tenant, key)
    except AlreadyExists as error:  # two of before share what may stand once now
        log.error("not_reindexed", kind=kind.name, tenant=tenant, key=key, error=error.detail)
        return False
