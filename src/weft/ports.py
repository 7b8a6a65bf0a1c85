"""Every seam on one page: what a backend must do, what it raises, what is atomic.

`Records` keeps documents, `Journal` keeps messages, `HistoryStore` keeps measurements. A
backend is one folder below `backends/`; the contract suites in `tests/contracts` say what
these words mean and run on every backend. All raise `StorageError` when the disk or the
database fails, and then what was asked has not happened.

Above them stand the seams between stations: `Projection` (applies committed batches),
`Deciding` (the one policy decision) and `Clock`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.model.message import Batch, Committed, QosTwo
from weft.model.principal import Principal

if TYPE_CHECKING:  # the command line reads this page and never computes
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")
V = TypeVar("V")


class Clock(Protocol):
    """Where moments come from; tests turn it by hand."""

    def now(self) -> int:
        """Nanoseconds UTC since 1970."""
        ...


# --- records: documents with a version, in a tenant ---------------------------------------


def _no_index(_value: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Kind(Generic[V]):
    """A kind of record: its name, its value's type, and the index keys that a value has.

    `index(value)` gives {index name: text}; records are found by equality on one of them.
    An index named in `unique` holds each text once per tenant and kind. Whoever changes what
    `index` says raises `edition`: at the next start records of before are indexed anew.
    """

    name: str
    type: type[V]
    index: Callable[[V], Mapping[str, str]] = _no_index
    unique: frozenset[str] = frozenset()
    edition: int = 1


class Record(NamedTuple, Generic[V]):
    """A stored value with its key and version (1 when made, +1 at each write)."""

    key: str
    value: V
    version: int


class Reader(Protocol):
    """One consistent view. The tenant is part of every key: no call goes without (TN-1)."""

    def find(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V] | None:
        """Return the record, or None."""
        ...

    def get(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V]:
        """Return the record, or raise `NotFound`."""
        ...

    def list(
        self,
        kind: Kind[V],
        tenant: TenantId,
        *,
        where: tuple[str, str] | None = None,
        after: str = "",
        limit: int = 100,
        descending: bool = False,
    ) -> Sequence[Record[V]]:
        """Return records in key order, those behind `after`, those with index `where`."""
        ...

    def count(
        self, kind: Kind[Any], tenant: TenantId, *, where: tuple[str, str] | None = None
    ) -> int:
        """Return how many `list` would yield without a limit."""
        ...

    def tenants(self, kind: Kind[Any]) -> Sequence[TenantId]:
        """Return the tenants that have records of this kind (for start-up and sweeps)."""
        ...


class Writer(Reader, Protocol):
    """One transaction: all of its writes happen, or none."""

    def insert(self, kind: Kind[V], tenant: TenantId, key: str, value: V) -> Record[V]:
        """Add a record; raise `AlreadyExists` on the same key or a unique index."""
        ...

    def put(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, *, version: int | None = None
    ) -> Record[V]:
        """Add or replace a record; with `version`, raise `StaleVersion` unless it is that one.

        `version=0` means that the record must not exist yet.
        """
        ...

    def delete(
        self, kind: Kind[Any], tenant: TenantId, key: str, *, version: int | None = None
    ) -> bool:
        """Remove a record; return whether it was there."""
        ...

    def reindex(self, kind: Kind[Any], tenant: TenantId, key: str) -> bool:
        """Index a record as its kind says now; return whether that is another way than before.

        The record stays at its version. Raises `NotFound`, and `AlreadyExists` on a unique index.
        """
        ...


class Records(Protocol):
    """The store of documents.

    `work` runs in the backend's thread, in a copy of its caller's context (`contextvars`, so
    that an audit record knows the request): it only reads and writes through its argument,
    takes no lock and calls no service. What it raises reaches the caller and undoes its
    writes, not those of others that share the commit.
    """

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one consistent view."""
        ...

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` as one transaction; when this returns, it is on disk."""
        ...

    async def close(self) -> None:
        """Finish what was asked and let go of the files."""
        ...


# --- journal: messages, once, in order ----------------------------------------------------


class Journal(Protocol):
    """The one ordered copy of what was admitted. Positions start at 1 and have no gaps."""

    @property
    def head(self) -> int:
        """Position of the newest message on disk; 0 when there never was one."""
        ...

    @property
    def tail(self) -> int:
        """Position of the oldest message still kept; head + 1 when there is none."""
        ...

    async def append(self, batch: Batch) -> int:
        """Write a batch with its QoS 2 changes, all or nothing; return its first position.

        When it returns, the batch is on disk. One append at a time.
        """
        ...

    def read(self, after: int, *, until: int | None = None) -> AsyncIterator[Committed]:
        """Yield what was written behind position `after`, in order, `decoded` all None.

        Raises `Damaged` at the first batch that is not what was written.
        """
        ...

    async def unreleased(self, session: str) -> Sequence[int]:
        """Return the QoS 2 packet ids of a session that were received and not released."""
        ...

    async def forget_session(self, session: str) -> None:
        """Drop the QoS 2 ids of a session that has ended."""
        ...

    async def trim(self, *, before: int) -> int:
        """Forget messages below position `before`, in whole batches; return the new tail."""
        ...

    async def first_after(self, at: int) -> int:
        """Return the first kept position received at or after a moment (head + 1 if none)."""
        ...

    async def size_bytes(self) -> int:
        """Return what the journal takes on disk."""
        ...

    async def close(self) -> None:
        """Let go of the files."""
        ...


# --- history: measurements over time ------------------------------------------------------


class Rows(Struct, eq=False):
    """Readings of devices of one shape, as columns: a value column per key.

    None or UNSET stands where a reading left the key out.

    `position` is the journal position of each reading; of two readings with the same
    device, key and moment the one with the higher position counts.
    """

    tenants: list[str]
    devices: list[str]
    at: list[int]  # ns
    positions: list[int]
    keys: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]


class HistoryQuery(Struct, frozen=True):
    """What is asked of history. Moments are ns UTC; `start` is in, `end` is out.

    `bucket_ns` None asks for raw samples; otherwise one row per bucket, with the
    `aggregates` mean, min, max, sum, count, first, last, rate, and pNN (p50, p99.9).
    `max_points` asks for the same picture in fewer points per key (largest triangle).
    """

    tenant: TenantId
    devices: tuple[DeviceId, ...]
    keys: tuple[str, ...]
    start: int
    end: int
    bucket_ns: int | None = None
    aggregates: tuple[str, ...] = ("mean",)
    descending: bool = False
    limit: int = 10_000
    max_points: int | None = None
    after: tuple[int, str, str] | None = None  # (at, device, key) of the last row seen


class HistoryTable(Struct, eq=False):
    """The answer: parallel columns named device, key, at and value or one per aggregate."""

    columns: dict[str, Sequence[Any]]
    next: tuple[int, str, str] | None = None  # `after` of the next page


class HistoryScan(Struct, frozen=True):
    """Whose raw samples are read in bulk. Moments are ns UTC; `start` is in, `end` is out."""

    tenant: TenantId
    devices: tuple[str, ...]
    keys: tuple[str, ...]
    start: int
    end: int


class HistoryTrace(Struct, eq=False):
    """The samples of one device and key as arrays, in the order of their moments.

    A sample that is no number is NaN in `values` and JSON in `texts`; the text of a number
    is None. `texts` is None where all are numbers.
    """

    device: str
    key: str
    at: "npt.NDArray[np.int64]"
    values: "npt.NDArray[np.float64]"
    texts: Sequence[str | None] | None = None


class HistoryStore(Protocol):
    """Measurements over time, deduplicated by (tenant, device, key, moment) on reading."""

    @property
    def position(self) -> int:
        """Journal position up to which everything is stored."""
        ...

    async def append(self, rows: Sequence[Rows], position: int) -> None:
        """Store readings and the position they reach to, all or nothing."""
        ...

    async def query(self, query: HistoryQuery) -> HistoryTable:
        """Answer from what was appended; raise `Invalid` for an unknown aggregate."""
        ...

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk, duplicates resolved; what has none is left out.

        The caller asks for as much time as it has memory for (`count`). It does not wait for
        charts, nor they for it.
        """
        ...

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples `scan` would read, duplicates among them counted."""
        ...

    async def keys(self, tenant: TenantId, device: DeviceId) -> Sequence[str]:
        """Return the keys that the device has samples of."""
        ...

    async def delete_device(self, tenant: TenantId, device: DeviceId) -> None:
        """Forget all samples of a device."""
        ...

    async def trim(self, *, before_at: int | None = None, max_bytes: int | None = None) -> int:
        """Forget old samples by age and size; return how many."""
        ...

    async def compact(self) -> None:
        """Resolve duplicates for good and give space back."""
        ...

    async def close(self) -> None:
        """Let go of the files."""
        ...


# --- seams between stations ---------------------------------------------------------------


class Projection(Protocol):
    """A reader of the journal that keeps a state of its own, and how far it has read.

    `apply` runs on the loop, in order, once per committed batch, and must not block.
    `checkpoint` makes the state and `position` durable together; after a crash the journal
    is read again from there, so applying twice must change nothing.
    """

    name: str

    @property
    def position(self) -> int:
        """Durable position: replay starts behind it."""
        ...

    def apply(self, batch: Committed) -> None:
        """Take in a batch."""
        ...

    async def checkpoint(self) -> None:
        """Make everything applied so far durable."""
        ...

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable; the pipeline stops reading when it is large."""
        ...


class Decision(Struct, frozen=True):
    """Whether, why, and by which version of the policy."""

    allowed: bool
    reason: str
    version: int


class Deciding(Protocol):
    """The one policy decision (AU-2). Deny by default."""

    @property
    def version(self) -> int:
        """Grows with every change of any right: what was looked up before is stale."""
        ...

    def decide(self, principal: Principal, action: str, target: str) -> Decision:
        """Decide on a target in the principal's own tenant.

        `action` is dotted (`device.read`, `topic.publish`, `topic.subscribe`,
        `topic.receive`); `target` is what it is done to, as `device:pump-7`,
        `topic:devices/pump-7/telemetry`, or `*` for all of a kind.
        """
        ...


class Serving(Protocol):
    """Something that is started, runs until told, and stops cleanly."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Serve inside the context."""
        ...


class Snapshotting(Protocol):
    """A backend that can copy itself consistently while it is written to."""

    async def copy_to(self, folder: str) -> None:
        """Write a consistent copy into `folder` (made already, empty)."""
        ...


__all__ = [
    "Clock",
    "Deciding",
    "Decision",
    "HistoryQuery",
    "HistoryScan",
    "HistoryStore",
    "HistoryTable",
    "HistoryTrace",
    "Journal",
    "Kind",
    "Projection",
    "QosTwo",
    "Reader",
    "Record",
    "Records",
    "Rows",
    "Serving",
    "Snapshotting",
    "Writer",
]
