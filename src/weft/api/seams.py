"""Seams: what the API asks of stations that stand beside it, and so may not be imported."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from weft.model.alarm import Alarm, OutboxEntry, OutboxState, WorkOrder
from weft.model.ids import ActionId, AlarmId, TenantId, WorkOrderId
from weft.model.message import Committed
from weft.model.principal import Principal
from weft.ports import Clock, Record


class BackupInfo(Protocol):
    """How far a snapshot is."""

    @property
    def backup_id(self) -> str: ...  # noqa: D102  as BackupView has them
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> str: ...  # noqa: D102
    @property
    def folder(self) -> str: ...  # noqa: D102
    @property
    def error(self) -> str: ...  # noqa: D102


class Snapshots(Protocol):
    """What makes snapshots of the data folder, one at a time."""

    async def start(self, actor: Principal) -> BackupInfo:
        """Begin one, or raise `Conflict` while one is under way."""
        ...

    def get(self, backup_id: str) -> BackupInfo:
        """Return how far one is, or raise `NotFound`."""
        ...


class ConnectorInfo(Protocol):
    """What is to be seen of a connector."""

    @property
    def name(self) -> str: ...  # noqa: D102  as ConnectorView has them
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def actions(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def healthy(self) -> bool: ...  # noqa: D102
    @property
    def last_success_at(self) -> int | None: ...  # noqa: D102
    @property
    def last_failure_at(self) -> int | None: ...  # noqa: D102
    @property
    def last_error(self) -> str: ...  # noqa: D102
    @property
    def waiting(self) -> int: ...  # noqa: D102
    @property
    def quality(self) -> str: ...  # noqa: D102
    @property
    def page(self) -> str: ...  # noqa: D102
    @property
    def own(self) -> bool: ...  # noqa: D102


class KnownConnectors(Protocol):
    """The connectors that a tenant sees: those of the configuration, and its own."""

    def get(self, tenant: TenantId, name: str) -> ConnectorInfo:
        """Return a tenant's connector, or raise `NotFound`."""
        ...

    def list_connectors(self, tenant: TenantId) -> Sequence[ConnectorInfo]:
        """Return a tenant's connectors by name."""
        ...

    async def test(self, tenant: TenantId, name: str, clock: Clock) -> str:
        """Ask the far side something harmless; return its answer in words."""
        ...

    async def seal(self, actor: Principal, name: str, secret: str) -> None:
        """Seal a secret that settings name sealed:NAME, or raise `Invalid`."""
        ...

    async def get_mapping(self, tenant: TenantId, name: str) -> tuple[str, dict[str, str], Any]:
        """Return a connector's name, its default expressions and what a tenant saved."""
        ...

    async def save_mapping(
        self, actor: Principal, name: str, fields: Mapping[str, str], *, version: int | None = None
    ) -> None:
        """Save a tenant's mapping, or raise `Invalid` with the field and the column."""
        ...

    async def delete_mapping(self, actor: Principal, name: str) -> None:
        """Go back to the defaults, or raise `NotFound`."""
        ...

    async def trial_rights(
        self,
        tenant: TenantId,
        name: str,
        fields: Mapping[str, str] | None,
        alarm_id: AlarmId | None,
    ) -> frozenset[str]:
        """Return the actions that who tries this must be allowed."""
        ...

    async def try_mapping(
        self,
        tenant: TenantId,
        name: str,
        fields: Mapping[str, str] | None,
        alarm: Alarm | AlarmId,
    ) -> Any:
        """Return what would be sent for an alarm, or for a sample of one; nothing is."""
        ...


class ConnectorWish(Protocol):
    """How a connector is to be."""

    @property
    def kind(self) -> str: ...  # noqa: D102  as ConnectorOrder has them
    @property
    def settings(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def secrets(self) -> dict[str, str | None]: ...  # noqa: D102


class SetUpConnectors(Protocol):
    """The connectors that tenants set up themselves."""

    def kinds(self) -> Sequence[Any]:
        """Return what may be set up, with its settings."""
        ...

    async def get(self, tenant: TenantId, name: str) -> Any:
        """Return what is saved of a connector, or raise `NotFound`."""
        ...

    async def save(
        self,
        actor: Principal,
        name: str,
        wish: ConnectorWish,
        *,
        version: int | None = None,
        force: bool = False,
    ) -> Any:
        """Set a connector up, or change it."""
        ...

    async def delete(
        self, actor: Principal, name: str, *, version: int | None = None, force: bool = False
    ) -> None:
        """Take a connector away, or raise `Conflict` that says what would miss it."""
        ...

    async def try_out(self, actor: Principal, wish: ConnectorWish, name: str = "") -> str:
        """Ask the far side something harmless; return its answer in words."""
        ...


class Outgoing(Protocol):
    """The outbox."""

    async def get(self, tenant: TenantId, action_id: ActionId) -> Record[OutboxEntry]:
        """Return an entry, or raise `NotFound`."""
        ...

    async def list_entries(
        self,
        tenant: TenantId,
        *,
        state: OutboxState | None = None,
        alarm_id: AlarmId | None = None,
        connector: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[OutboxEntry]]:
        """Return entries: of an alarm, or by state, connector or both."""
        ...

    async def redrive(
        self, actor: Principal, tenant: TenantId, action_id: ActionId
    ) -> Record[OutboxEntry]:
        """Start a dead entry again, or raise `NotFound` or `Conflict`."""
        ...


class Ordered(Protocol):
    """The work orders."""

    def changed(self, order: WorkOrder) -> None:
        """Tell the listeners of a change that is on disk."""
        ...

    async def get(self, tenant: TenantId, work_order_id: WorkOrderId) -> Record[WorkOrder]:
        """Return a work order, or raise `NotFound`."""
        ...

    async def list_work_orders(
        self,
        tenant: TenantId,
        where: tuple[str, str] | None = None,
        *,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[WorkOrder]]:
        """Return work orders; `where` is one of state, alarm, device, fault, asset."""
        ...


class Samples(Protocol):
    """Reads the journal again, decoded as it was when it was admitted."""

    def __call__(
        self, after: int, until: int, tenant: TenantId | None = None
    ) -> AsyncIterator[Committed]:
        """Yield the batches behind `after` up to `until`; decode what a tenant has sent."""
        ...
