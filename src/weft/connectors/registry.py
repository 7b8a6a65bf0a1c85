"""The connectors that there are: made from settings, looked up by tenant and name.

A tenant sees and uses the configured connectors that list it and those that it has set up
itself (`own`), and no others: another tenant's connector is answered like one that does not
exist. A configured one comes first. Each keeps its health for each tenant: what worked last,
what failed last, and how much waits. Of a shared connector nobody reads what was said to
another (TN-1).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct, structs

from weft.connectors.base import Connector, ConnectorSettings, Requests, Situation, Tools
from weft.connectors.certified import CertifiedClient
from weft.connectors.chat import SlackConnector, SlackSettings, TeamsConnector, TeamsSettings
from weft.connectors.credentials import Credentials
from weft.connectors.email import EmailConnector, EmailSettings
from weft.connectors.mappings import Mappings, SavedMapping, compiled
from weft.connectors.odoo import OdooConnector, OdooSettings
from weft.connectors.own_places import shown
from weft.connectors.plugins import find_plugin, installed_kinds
from weft.connectors.rest import RestConnector, RestSettings
from weft.connectors.salesforce import SalesforceConnector, SalesforceSettings
from weft.connectors.sap import SapConnector, SapSettings
from weft.connectors.trials import Trials
from weft.connectors.trying import Tried, asked_by, find_entry, mapping_of, rights_of, tried
from weft.connectors.tryton import TrytonConnector, TrytonSettings
from weft.connectors.webhook import WebhookConnector, WebhookSettings
from weft.errors import ConfigurationError, ConnectorError, Invalid, NotFound
from weft.model.alarm import Alarm, OutboxEntry
from weft.model.ids import AlarmId, TenantId, require_name
from weft.model.principal import Principal
from weft.model.work_order import OnClose
from weft.observability.log import get_logger
from weft.ports import Clock
from weft.security.outbound import OutboundClient

log = get_logger(__name__)

CLOSE_S: Final = 5.0
SETTLE_S: Final = 15.0  # where the settings of a kind say nothing
OWN_LABEL: Final = "(own)"  # of all that tenants have set up: metrics tell nobody their names


class Making(Protocol):
    """How a connector is made of its settings."""

    def __call__(self, name: str, settings: Any, tools: Tools) -> Connector:
        """Make it; no request is sent yet."""
        ...


# A new business system is one module and one line here.
KINDS: Mapping[str, tuple[type[ConnectorSettings], Making]] = {
    "email": (EmailSettings, EmailConnector),
    "odoo": (OdooSettings, OdooConnector),
    "rest": (RestSettings, RestConnector),
    "salesforce": (SalesforceSettings, SalesforceConnector),
    "sap": (SapSettings, SapConnector),
    "slack": (SlackSettings, SlackConnector),
    "teams": (TeamsSettings, TeamsConnector),
    "tryton": (TrytonSettings, TrytonConnector),
    "webhook": (WebhookSettings, WebhookConnector),
}


class Health(Struct):
    """How a connector has been doing for a tenant since the start; moments are ns UTC."""

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: str = ""
    failures: int = 0  # in a row
    waiting: int = 0  # actions in the queue

    def succeeded(self, at: int) -> None:
        """Take note that the far side answered as it should."""
        self.last_success_at = at
        self.failures = 0

    def failed(self, at: int, error: str) -> None:
        """Take note that it did not."""
        self.last_failure_at = at
        self.last_error = error
        self.failures += 1


class Healths:
    """The health of a connector, for each tenant that uses it."""

    def __init__(self) -> None:
        self._tenants: dict[TenantId, Health] = {}

    def of(self, tenant: TenantId) -> Health:
        """Return how it has been doing for a tenant."""
        return self._tenants.setdefault(tenant, Health())

    def set_waiting(self, tenant: TenantId, waiting: int) -> None:
        """Take note of how much waits; of who never used it nothing is kept."""
        if waiting or tenant in self._tenants:
            self.of(tenant).waiting = waiting


class Configured(Struct, eq=False):
    """A connector with what the settings say about it."""

    connector: Connector
    tenants: frozenset[str]
    url: str
    health: Healths
    fields: Mapping[str, str] = {}  # of the settings, over the kind's own
    on_close: OnClose = OnClose.QUESTION
    close_when_cleared: bool = False
    everybody: bool = False  # Weft itself: every tenant's rules may name it
    settle_s: float = SETTLE_S  # pause after an attempt whose end is not known
    own: bool = False  # set up by its one tenant, while Weft ran
    place: str = ""  # of a tenant's own: which system it leads to, new with each other one
    at_work: int = 0  # what uses it now
    retired: bool = False  # another is in its place, or none: it closes when its work is done

    @property
    def key(self) -> str:
        """What it is told apart by: two tenants' own ones may have one name."""
        return "/".join([*self.tenants, self.connector.name]) if self.own else self.connector.name

    @property
    def label(self) -> str:
        """What metrics call it."""
        return OWN_LABEL if self.own else self.connector.name


class ConnectorView(Struct, frozen=True):
    """What the API shows of a connector."""

    name: str
    kind: str
    actions: tuple[str, ...]
    url: str
    healthy: bool
    last_success_at: int | None
    last_failure_at: int | None
    last_error: str
    waiting: int
    quality: str
    page: str
    own: bool


class Connectors:
    """All connectors: those that are configured, and those of tenants' own."""

    def __init__(
        self,
        configured: Mapping[str, Configured],
        mappings: Mappings | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._configured = dict(configured)
        self._own: dict[TenantId, dict[str, Configured]] = {}
        self._listeners: list[Callable[[TenantId, str], None]] = []
        self._trials = Trials()
        self.mappings = mappings or Mappings()
        self.credentials = credentials or Credentials()

    def __iter__(self) -> Iterator[Configured]:
        yield from self._configured.values()
        for tenant, found in self._own.items():
            yield from (one for name, one in found.items() if not self.is_configured(tenant, name))

    def add_inward(self, connector: Connector) -> None:
        """Let rules ask something of Weft itself; call before anything is delivered."""
        self._configured[connector.name] = Configured(
            connector, frozenset(), "weft:", Healths(), everybody=True
        )

    def is_configured(self, tenant: TenantId, name: str) -> bool:
        """Return whether the configuration, or Weft itself, gives a tenant this name."""
        found = self._configured.get(name)
        return found is not None and (found.everybody or tenant in found.tenants)

    def find(self, tenant: TenantId, name: str) -> Configured | None:
        """Return a tenant's connector, or None."""
        if self.is_configured(tenant, name):
            return self._configured[name]
        return self._own.get(tenant, {}).get(name)

    # --- tenants' own ----------------------------------------------------------------------

    def on_change(self, listener: Callable[[TenantId, str], None]) -> None:
        """Call `listener` on the loop when a connector of a tenant's own is another, or gone."""
        self._listeners.append(listener)

    def test_own_with(self, trials: Trials) -> None:
        """Test tenants' own connectors in these turns; call before anything is tested."""
        self._trials = trials

    async def put_own(self, tenant: TenantId, name: str, made: Configured | None) -> None:
        """Put a tenant's own connector in its place, or take it away (None).

        What is being delivered ends with the one before, which is closed then.
        """
        await self.let_go(self.replace_own(tenant, name, made))

    def replace_own(
        self, tenant: TenantId, name: str, made: Configured | None
    ) -> Configured | None:
        """Do as `put_own`, and return the one before: it is still to be let go."""
        mine = self._own.setdefault(tenant, {})
        before = mine.pop(name, None)
        if made is not None:
            mine[name] = made
        self.mappings.forget(tenant, name)
        for listener in self._listeners:
            listener(tenant, name)
        if before is not None:
            before.retired = True
        return before

    async def let_go(self, before: Configured | None) -> None:
        """Close what was replaced, unless it is at work: it closes behind that then."""
        if before is not None and before.retired and not before.at_work:
            await close_in_time(before.connector)

    @asynccontextmanager
    async def using(self, found: Configured) -> AsyncIterator[Connector]:
        """Use a connector inside the context: it is not closed before its end."""
        found.at_work += 1
        try:
            yield found.connector
        finally:
            found.at_work -= 1
            await self.let_go(found)

    # --- looking at them -------------------------------------------------------------------

    def get(self, tenant: TenantId, name: str) -> ConnectorView:
        """Return what is to be seen of a connector."""
        return _view(self.require(tenant, name), tenant)

    def list_connectors(self, tenant: TenantId) -> Sequence[ConnectorView]:
        """Return a tenant's connectors by name."""
        mine = [found for found in self if tenant in found.tenants]
        return sorted((_view(found, tenant) for found in mine), key=lambda view: view.name)

    def require_action(self, tenant: TenantId, name: str, kind: str) -> None:
        """Raise `Invalid` unless a rule of this tenant may ask this of this connector."""
        found = self.find(tenant, name)
        if found is None:
            known = ", ".join(view.name for view in self.list_connectors(tenant)) or "none"
            raise Invalid(
                f"No connector is named {name!r}.",
                remedy=f"There are: {known}. Set one up: weft connector set, or in the "
                f"configuration as [connectors.{name}].",
            )
        if kind not in found.connector.actions:
            can = ", ".join(sorted(found.connector.actions))
            raise Invalid(f"The connector {name!r} cannot {kind!r}.", remedy=f"It can: {can}.")

    async def prepared(
        self, found: Configured, entry: OutboxEntry, situation: Situation
    ) -> Situation:
        """Return what stands around an entry, with the fields that its mapping fills."""
        connector = found.connector
        filled = await self.mappings.filled(connector, found.fields, entry, situation)
        for one in filled.left_out:
            tell = log.warning if one.failed else log.debug
            tell("field_left_out", connector=connector.name, field=one.field, why=one.why)
        return structs.replace(situation, fields=filled.values)

    async def test(self, tenant: TenantId, name: str, clock: Clock) -> str:
        """Ask the far side something harmless; return its answer in words."""
        found = self.require(tenant, name)

        async def ask() -> str:
            # What it is now: it may have been changed while this waited for its turn.
            async with self.using(self.require(tenant, name)) as connector:
                return await connector.test()

        try:
            said = await (self._trials.run(tenant, ask) if found.own else ask())
        except ConnectorError as error:
            found.health.of(tenant).failed(clock.now(), error.detail)
            raise
        found.health.of(tenant).succeeded(clock.now())
        return said

    async def seal(self, actor: Principal, name: str, secret: str) -> None:
        """Seal a secret that settings name sealed:NAME, or raise `Invalid`."""
        await self.credentials.put(actor, name, secret)

    # --- mappings --------------------------------------------------------------------------

    async def get_mapping(
        self, tenant: TenantId, name: str
    ) -> tuple[str, dict[str, str], SavedMapping | None]:
        """Return a connector's name, its default expressions and what a tenant saved."""
        found = self.require(tenant, name)
        texts = {key: field.default for key, field in found.connector.fields.items()}
        defaults = {key: text for key, text in (texts | dict(found.fields)).items() if text}
        saved = await self.mappings.find(tenant, name)
        return name, defaults, saved.value if saved else None

    async def save_mapping(
        self, actor: Principal, name: str, fields: Mapping[str, str], *, version: int | None = None
    ) -> None:
        """Save a tenant's mapping, or raise `Invalid` with the field and the column."""
        found = self.require(actor.tenant, name)
        layers = [found.fields, fields]
        await self.mappings.save(actor, found.connector, layers, version=version)

    async def delete_mapping(self, actor: Principal, name: str) -> None:
        """Go back to the defaults, or raise `NotFound`."""
        self.require(actor.tenant, name)
        await self.mappings.delete(actor, name)

    async def trial_rights(
        self,
        tenant: TenantId,
        name: str,
        fields: Mapping[str, str] | None,
        alarm_id: AlarmId | None,
    ) -> frozenset[str]:
        """Return the actions that who tries this must be allowed."""
        found = self.require(tenant, name)
        return rights_of(await mapping_of(self.mappings, tenant, found, fields), alarm_id)

    async def try_mapping(
        self,
        tenant: TenantId,
        name: str,
        fields: Mapping[str, str] | None,
        alarm: Alarm | AlarmId,
    ) -> Tried:
        """Return what would be sent for an alarm, or for a sample of one; nothing is."""
        found = self.require(tenant, name)
        connector = found.connector
        mapping = await mapping_of(self.mappings, tenant, found, fields)
        if isinstance(alarm, Alarm):
            entry, around = asked_by(alarm, connector)
        else:
            entry, around = await self.mappings.read(
                lambda reader: find_entry(reader, tenant, alarm, connector)
            )
        return tried(self.mappings, connector, mapping, entry, around)

    async def close(self) -> None:
        """Let all of them go."""
        own = [one for mine in self._own.values() for one in mine.values()]
        for found in [*self._configured.values(), *own]:
            await close_in_time(found.connector)

    def require(self, tenant: TenantId, name: str) -> Configured:
        """Return a tenant's connector, or raise `NotFound`."""
        found = self.find(tenant, name)
        if found is None:
            raise NotFound(f"No connector is named {name!r}.", remedy="See `weft connector list`.")
        return found


async def close_in_time(connector: Connector) -> None:
    """Close a connector; what goes wrong with it, or takes long, is told and keeps nobody."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await connector.close()
    except Exception:  # it may be foreign code, and what it was used for has been done
        log.exception("connector_not_closed", connector=connector.name, kind=connector.kind)


def make_connectors(
    tables: Mapping[str, Mapping[str, Any]],
    *,
    outbound: OutboundClient,
    credentials: Credentials,
    clock: Clock,
    mappings: Mappings | None = None,
) -> Connectors:
    """Make all connectors of the tables `[connectors.NAME]`, or raise `ConfigurationError`."""
    return Connectors(
        {
            name: make_one(name, table, outbound, credentials, clock)
            for name, table in sorted(tables.items())
        },
        mappings,
        credentials,
    )


def find_kind(kind: str) -> tuple[type[ConnectorSettings], Making] | None:
    """Return the settings and the making of a kind, ours or another package's, or None."""
    return KINDS.get(kind) or find_plugin(kind)


def make_one(
    name: str,
    table: Mapping[str, Any],
    outbound: OutboundClient,
    credentials: Credentials,
    clock: Clock,
) -> Configured:
    """Make a connector of its table, or raise `ConfigurationError`; no request is sent."""
    setting = f"[connectors.{name}]"
    try:
        require_name(name, "connector name")
    except Invalid as error:
        raise ConfigurationError(f"{setting}: {error.detail}", remedy=error.remedy) from error
    given = dict(table)
    kind = given.pop("kind", None)
    brought = find_kind(str(kind))
    if brought is None:
        kinds = ", ".join([*KINDS, *installed_kinds()])
        raise ConfigurationError(
            f"{setting}: there is no kind {kind!r}.", remedy=f"Kinds are: {kinds}."
        )
    type_, make = brought
    try:
        settings = msgspec.convert(given, type_)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{setting}: {error}.", remedy=f"A {kind} has: {', '.join(type_.__struct_fields__)}."
        ) from error
    plain = outbound.allowing(settings.allow)
    own: Requests = plain
    if settings.client_certificate is not None:
        own = CertifiedClient(plain, settings.client_certificate, credentials, setting)
    connector = make(name, settings, Tools(own, credentials, clock))
    try:
        compiled(connector, settings.fields)
    except Invalid as error:
        raise ConfigurationError(
            f"{setting} fields: {error.detail}", remedy=error.remedy
        ) from error
    return Configured(
        connector=connector,
        tenants=frozenset(settings.tenants),
        url=settings.url,
        health=Healths(),
        fields=settings.fields,
        on_close=settings.on_close,
        close_when_cleared=settings.close_when_cleared,
        settle_s=getattr(settings, "settle_s", SETTLE_S),
    )


def _view(found: Configured, tenant: TenantId) -> ConnectorView:
    health = found.health.of(tenant)
    return ConnectorView(
        name=found.connector.name,
        kind=found.connector.kind,
        actions=tuple(sorted(found.connector.actions)),
        url=shown(found.url),
        healthy=health.failures == 0,
        last_success_at=health.last_success_at,
        last_failure_at=health.last_failure_at,
        last_error=health.last_error,
        waiting=health.waiting,
        quality=found.connector.quality.value,
        page=f"docs/howto/{found.connector.page}.md",
        own=found.own,
    )
