"""What the API's tests share: a whole Weft in memory, and a client that speaks ASGI."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from tests.connectors.own import loopback_alone

from weft.api.application import Application
from weft.api.asset_changes import tell_assets
from weft.api.event_work import EventWork
from weft.api.links import Links
from weft.api.live import Live
from weft.api.openapi import encode_document, make_document
from weft.api.operation import Operation
from weft.api.operations.backups import BackupView
from weft.api.operations.table import TABLE
from weft.api.operator import Operator
from weft.api.seen import Seen
from weft.api.services import AlarmWork, Past, Services
from weft.api.settings import ApiSettings
from weft.api.snippets import Endpoints
from weft.app.derived import DerivedTelemetry
from weft.backends.memory.history import MemoryHistory
from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.commands.bulks import Bulks
from weft.commands.commands import Commands
from weft.commands.drafts import CommandDependencies
from weft.commands.settings import CommandSettings
from weft.connectors.credentials import Credentials as ConnectorSecrets
from weft.connectors.events.deliverer import Deliverer
from weft.connectors.events.settings import EventSettings
from weft.connectors.events.subscriptions import Given as EventsGiven
from weft.connectors.events.subscriptions import Subscriptions
from weft.connectors.outbox import Outbox
from weft.connectors.own import OwnConnectors, OwnGiven
from weft.connectors.registry import Connectors
from weft.connectors.work_orders import WorkOrders
from weft.errors import NotFound
from weft.groups.filters import Around
from weft.groups.groups import Groups
from weft.groups.notification_policies import Policies
from weft.history.events import DeviceEvents
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.ingest.quarantine import Quarantine
from weft.ingest.rejections import RejectionInbox, Rejections, RejectionSettings
from weft.ingest.submit import Ingest
from weft.model.ids import TenantId
from weft.model.message import Committed
from weft.model.message import Operation as MessageOperation
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.packs.packs import Packs, PacksGiven
from weft.packs.writers import Writers
from weft.registry.arrivals import Arrivals
from weft.registry.assets import Assets
from weft.registry.attachments import Attachments
from weft.registry.bulk import Imports
from weft.registry.claiming import Claiming
from weft.registry.claims import Claims
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import DeviceChange, Devices, NewDevice
from weft.registry.presence import Presence
from weft.registry.provisioning import Provisioning
from weft.registry.relations import Relations
from weft.registry.silence import Silences
from weft.registry.tenants import Tenants
from weft.rules.alarm_bulks import AlarmBulks
from weft.rules.alarms import Alarms
from weft.rules.derived.derivations import Derivations, DerivedKeysOf
from weft.rules.derived.deriver import Deriver
from weft.rules.derived.recomputing import Recomputings
from weft.rules.derived.settings import DerivedSettings
from weft.rules.engine import Engine
from weft.rules.handling import Handling
from weft.rules.lineage import Lineage
from weft.rules.maintenance import Windows
from weft.rules.past.replays import Replays
from weft.rules.past.run import Given
from weft.rules.past.settings import ReplaySettings
from weft.rules.places import book
from weft.rules.places.books import make_places
from weft.rules.rules import Rules
from weft.rules.surroundings import Surroundings
from weft.security.actions import ACTIONS, Role
from weft.security.audit import Audit
from weft.security.authentication import Authenticator, Proof
from weft.security.authorities import Authorities
from weft.security.authority import CertificateAuthority
from weft.security.connections import Connections
from weft.security.credentials import Credentials
from weft.security.enrolment import Enrolments
from weft.security.keys import Keys
from weft.security.limits import Limiter, LimitSettings, Rate
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.security.passwords import PasswordHasher
from weft.security.people import People
from weft.security.policy import Policy
from weft.security.preshared_keys import PresharedKeys
from weft.security.revocation import Revocation
from weft.security.rotation import Rotation
from weft.security.secrets import MasterKey, Vault
from weft.security.sessions import Sessions
from weft.security.sign_in import SignIn
from weft.security.throttle import Throttle
from weft.security.tokens import AccessTokens
from weft.supervision import FakeClock
from weft.twins.fleet import Fleet
from weft.twins.twins import Twins
from weft.twins.wishes import Wishes

MAIN = TenantId("main")
OTHER = TenantId("other")
PEPPER = b"p" * 32
FAST = LimitSettings(
    principal_requests=Rate(1e9, 1e9), tenant_requests=Rate(1e9, 1e9)
)  # tests of limits bring their own


class Badges:
    """Access tokens that tests hand out, beside those of real sessions."""

    def __init__(self, sessions: Sessions) -> None:
        self.known: dict[str, Proof] = {}
        self._sessions = sessions

    def find_access(self, token: str) -> Proof | None:
        return self.known.get(token) or self._sessions.find_access(token)

    def is_ours(self, token: str) -> bool:
        return self._sessions.is_ours(token)

    def find_browser(self, text: str) -> Proof | None:
        return self._sessions.find_browser(text)


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<{self.status} {self.content[:300]!r}>"


class FakeSnapshots:
    """Snapshots that are done as soon as they are asked for."""

    def __init__(self) -> None:
        self.made: dict[str, BackupView] = {}

    async def start(self, actor: Principal) -> BackupView:
        name = f"backup-{len(self.made) + 1}"
        self.made[name] = BackupView(name, "done", "keys", f"/nowhere/{name}", "")
        return self.made[name]

    def get(self, backup_id: str) -> BackupView:
        if backup_id not in self.made:
            raise NotFound(f"There is no backup {backup_id!r}.")
        return self.made[backup_id]


class World:
    """All services over memory, composed as the frame composes them."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: LimitSettings = FAST,
        settings: ApiSettings | None = None,
        table: tuple[Operation, ...] = TABLE,
        operator: Operator | None = None,
    ) -> None:
        self.settings = settings or ApiSettings(heartbeat_s=0.05)
        self.limits = limits
        self.clock = FakeClock()
        self.records = MemoryRecords()
        self.journal = MemoryJournal()
        self.policy = Policy()
        self.audit = Audit(self.records, self.clock, b"a" * 32)
        self.connections = Connections(self.clock)
        self.revocation = Revocation(self.policy, self.connections)
        self.sessions = Sessions(
            self.records, self.audit, self.clock, PEPPER, AccessTokens([b"s" * 32], self.clock)
        )
        self.badges = Badges(self.sessions)
        self.people = People(
            self.records, self.audit, self.clock, PEPPER, self.sessions, self.revocation
        )
        self.throttle = Throttle(self.clock)
        self.sign_in = SignIn(
            self.people, self.sessions, PasswordHasher(), self.throttle, self.audit
        )
        self.operator = operator or Operator(b"o" * 32, self.clock)
        self.authority = CertificateAuthority(folder / "ca", b"passphrase", self.clock)
        self.authority.open()
        self.tenants = Tenants(self.records, self.audit, self.clock)
        self.types = DeviceTypes(self.records, self.audit, self.clock)
        self.devices = Devices(self.records, self.audit, self.clock)
        self._make_plant()
        self.presence = Presence(self.records, self.clock)
        self.presence.watch(self.connections)
        self.silences = Silences(self.presence, self.clock)
        self.credentials = Credentials(
            self.records, self.audit, self.clock, PEPPER, self.authority, self.revocation
        )
        self.keys = Keys(self.records, self.audit, self.clock, PEPPER, self.policy, self.revocation)
        self.vault = Vault(MasterKey.open(folder), self.records)
        self.preshared = PresharedKeys(self.credentials, self.vault)
        self.authenticator = Authenticator(
            self.credentials, self.keys, self.badges, self.throttle, self.clock, self.preshared
        )
        self._make_ways_in()
        self.twins = Twins(self.records, self.audit, self.clock)
        given = CommandDependencies(
            self.records, self.audit, self.clock, self.tenants, self.devices, self.types
        )
        self.commands = Commands(given)
        self.bulks = Bulks(given, self.commands, self.policy, CommandSettings())
        self._make_past()
        self._make_rules()
        self.work_orders = WorkOrders(self.records)
        self._make_connectors()
        self.alarm_bulks = AlarmBulks(
            self.records, self.alarms, self.handling, self.policy, (self.audit, self.clock)
        )
        self.policies = Policies(
            self.records, self.policy, self.audit, self.clock, self.connectors.require_action
        )
        self.outbox = Outbox(
            self.records, self.connectors, self.work_orders, self.audit, self.clock
        )
        self.backups = FakeSnapshots()
        self._make_path()
        self._make_events()
        self.table = table
        self.services = self._services()
        self.application = Application(self.services, table, self.settings)
        self.devices.on_change(self._device_changed)
        self.devices.in_delete(self.credentials.delete_in)
        self.devices.in_delete(self.enrolments.delete_in)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The API's description; a tenth of a second that most tests need not spend."""
        return make_document(self.table, "0.1.0")

    def _make_ways_in(self) -> None:
        """Make the ways in which a device gets its identity."""
        self.claims = Claims(self.records, self.audit, self.clock, PEPPER, self.vault)
        self.provisioning = Provisioning(
            self.records,
            self.claims,
            self.devices,
            (self.credentials, self.preshared),
            (self.audit, self.authenticator.attempts),
            self.clock,
        )
        self.enrolments = Enrolments(self.records, self.audit, self.clock, PEPPER, self.credentials)
        self.authorities = Authorities(self.records, self.audit, self.clock, self.authority)
        self.arrivals = Arrivals(
            self.records,
            self.audit,
            self.authorities,
            self.devices,
            self.credentials,
            self.clock,
        )
        self.arrivals.join(self.authenticator, self.revocation)
        self.rotation = Rotation(
            self.records, self.audit, self.clock, self.credentials, self.connections
        )
        self._make_batches()

    def _make_connectors(self) -> None:
        """Make what there is of connectors: none is configured, and this machine is reached."""
        self.connectors = Connectors(
            {}, credentials=ConnectorSecrets(self.records, self.vault, self.audit)
        )
        kept = (self.records, self.audit, self.clock, self.vault)
        self.own_connectors = OwnConnectors(OwnGiven(*kept, self.connectors, loopback_alone()))

    def _make_rules(self) -> None:
        self.alarms = Alarms(self.records, self.audit, self.clock)
        self.handling = Handling(self.alarms, self.records, self.clock, self.assets.find)
        self.engine = Engine(
            self.records, self.surroundings, (self.policy, self.audit), self.alarms
        )
        self.rules = Rules(
            self.records,
            self.policy,
            self.audit,
            self.clock,
            self.surroundings,
            lambda: self.engine.applied,
        )
        self.packs = Packs(
            PacksGiven(
                self.records,
                self.policy,
                self.audit,
                self.clock,
                Writers(
                    self.types,
                    self.assets,
                    self.places.routes,
                    self.derived.derivations,
                    self.rules,
                ),
                lambda _tenant, _connector: False,
            )
        )
        self.rules.on_change(
            lambda change: self.engine.rule_changed(change.old, change.new, at=change.at)
        )

    def _make_past(self) -> None:
        """Make what keeps telemetry over time, and what runs rules over it."""
        self.history = History(MemoryHistory(), self.clock, HistorySettings())
        self.device_events = DeviceEvents(self.records, per_device=5)
        known = DerivedKeysOf(self.devices.find)
        self.surroundings = Surroundings(
            self.devices, self.types, places=self.places.atlas, derived=known
        )
        deriver = Deriver(self.records, self.surroundings, self.clock)
        derivations = Derivations(
            self.records, self.audit, self.clock, self.surroundings, known, lambda: deriver.applied
        )
        derivations.on_change(deriver.changed)
        recomputings = Recomputings(
            (deriver, self.surroundings, self.history), self.records, self.clock, DerivedSettings()
        )
        self.derived = DerivedTelemetry(derivations, deriver, recomputings)
        past = Given(self.journal, self.samples, self.history, self.surroundings)
        self.replays = Replays(past, self.records, self.audit, self.clock, ReplaySettings())

    def _make_plant(self) -> None:
        """Make what knows of the business objects that devices observe."""
        self.assets = Assets(self.records, self.audit, self.clock)
        self.attachments = Attachments(
            self.records, self.audit, self.clock, self.devices, self.assets
        )
        self.relations = Relations(self.records, self.audit, self.clock, self.assets)
        given = book.Given(self.records, self.audit, self.clock)
        self.places = make_places(given, self.devices, self.assets, self.attachments)

    def _make_path(self) -> None:
        """Make what a message goes through; the stations behind it are there."""
        self.live = Live(self.journal, self.policy, self.connections, self.settings)
        self.links = Links(self.connections, per_principal=2, linger_s=0.05)
        self.commands.on_change(self.links.command_changed)
        self.twins.on_change(self.links.changed)
        around = Around(
            self.devices, self.assets, self.attachments, self.presence, self.twins, self.types
        )
        self.groups = Groups(self.records, self.audit, self.clock, around)
        self.windows = Windows(self.records, self.audit, self.clock, self.groups.holds)
        tell_assets(self.live, self.assets, self.attachments)
        self.inbox = RejectionInbox(self.records, RejectionSettings())
        projections = [
            self.twins,
            self.commands,
            self.history,
            self.device_events,
            self.engine,
            self.inbox,
            self.live,
            self.derived.deriver,
        ]
        self.pipeline = Pipeline(
            self.journal, projections, PipelineSettings(), lambda _envelope: None
        )
        self.derived.deriver.start(
            self.pipeline.add, lambda sender: self.pipeline.acknowledge(sender, 0)
        )
        self.gate = Gate(self.pipeline, self.policy, self.devices, self.types, lambda *_: None)
        self.ingest = Ingest(self.gate, self.pipeline, self.clock)
        self.commands.publish_with(self.ingest.put)
        self.derived.recomputings.publish_with(self.ingest.put)
        self.twins.check_desired_with(Wishes(self.devices, self.types).require)
        self.rejections = Rejections(self.records, self.inbox, self.gate, self.ingest, self.audit)
        self.quarantine = Quarantine(
            (self.devices, self.types),
            self.claims,
            self.provisioning,
            self.rejections,
            self.revocation,
        )

    def _make_events(self) -> None:
        """Make what tells business systems; only loopback is reached."""
        around = Around(
            self.devices, self.assets, self.attachments, self.presence, self.twins, self.types
        )
        given = EventsGiven(
            records=self.records,
            audit=self.audit,
            clock=self.clock,
            vault=self.vault,
            policy=self.policy,
            journal=self.journal,
            around=around,
        )
        settings = EventSettings()
        subscriptions = Subscriptions(given, settings)
        outbound = OutboundClient(OutboundSettings(allow=("127.0.0.1/32",), timeout_s=1.0))
        deliverer = Deliverer(given, subscriptions, outbound, "weft.example", settings)
        self.events = EventWork(subscriptions, deliverer)

    def _make_batches(self) -> None:
        """Make what devices come by in numbers."""
        self.imports = Imports(
            self.records,
            self.clock,
            self.audit,
            self.devices,
            (self.credentials, self.preshared),
            self.vault,
        )
        self.claiming = Claiming(
            self.records,
            self.audit,
            self.clock,
            (PEPPER, Throttle(self.clock)),
            self.devices,
            self.credentials,
        )

    def _services(self) -> Services:
        return Services(
            records=self.records,
            journal=self.journal,
            clock=self.clock,
            policy=self.policy,
            audit=self.audit,
            authenticator=self.authenticator,
            operator=self.operator,
            sign_in=self.sign_in,
            sessions=self.sessions,
            people=self.people,
            limiter=Limiter(self.clock, self.limits),
            connections=self.connections,
            authority=self.authority,
            credentials=self.credentials,
            enrolments=self.enrolments,
            authorities=self.authorities,
            arrivals=self.arrivals,
            rotation=self.rotation,
            preshared=self.preshared,
            keys=self.keys,
            tenants=self.tenants,
            types=self.types,
            devices=self.devices,
            assets=self.assets,
            attachments=self.attachments,
            relations=self.relations,
            groups=self.groups,
            presence=self.presence,
            silences=self.silences,
            claims=self.claims,
            claiming=self.claiming,
            imports=self.imports,
            provisioning=self.provisioning,
            twins=self.twins,
            fleet=Fleet(self.twins, self.devices, self.assets, self.attachments),
            commands=self.commands,
            bulks=self.bulks,
            ingest=self.ingest,
            rejections=self.rejections,
            quarantine=self.quarantine,
            history=self.history,
            device_events=self.device_events,
            rules=self.rules,
            packs=self.packs,
            engine=self.engine,
            derived=self.derived,
            surroundings=self.surroundings,
            past=Past(self.samples, self.replays),
            places=self.places,
            alarms=self.alarms,
            alarm_work=AlarmWork(self.handling, self.windows, self.policies, self.alarm_bulks),
            lineage=Lineage(self.records),
            connectors=self.connectors,
            own_connectors=self.own_connectors,
            outbox=self.outbox,
            work_orders=self.work_orders,
            events=self.events,
            live=self.live,
            links=self.links,
            settings=self.settings,
            heard=Seen(),
            backups=self.backups,
            endpoints=lambda: Endpoints(http="http://127.0.0.1:8080", mqtt="127.0.0.1:1883"),
            version="0.1.0",
            started_at=self.clock.now(),
            health=lambda: {"journal": "ok"},
            openapi=lambda: encode_document(self.document),
            actions=lambda: ACTIONS,
        )

    async def samples(
        self, after: int, until: int, tenant: TenantId | None = None
    ) -> AsyncIterator[Committed]:
        """Read the journal again; free JSON only, as the tests send."""
        async for batch in self.journal.read(after, until=until):
            decoded = [
                [Reading(envelope.received_at, json.loads(envelope.payload))]
                if envelope.route.operation is MessageOperation.TELEMETRY
                and tenant in {None, envelope.route.tenant}
                else None
                for envelope in batch.envelopes
            ]
            yield Committed(batch.first, batch.envelopes, decoded)

    def _device_changed(self, change: DeviceChange) -> None:
        device = change.device
        active = change.new is not None and change.new.lifecycle == "active"
        self.revocation.device_changed(device.tenant, device.uid, active=active)
        if change.new is None:
            self.credentials.forget(device)
            self.enrolments.forget(device)
        elif change.new.waits:
            self.policy.set_waiting(device.tenant, device.uid)

    def person(self, name: str, *roles: Role, tenant: TenantId = MAIN) -> str:
        """Let a person sign in; return the access token."""
        principal = Principal(tenant, PrincipalKind.USER, name, f"uid-{tenant}-{name}")
        self.policy.set_user(tenant, principal.uid, frozenset(roles))
        token = f"access-{tenant}-{name}"
        self.badges.known[token] = Proof(principal, "session")
        return token

    def admin(self, tenant: TenantId = MAIN) -> str:
        """Let an administrator of a tenant sign in."""
        return self.person("admin", Role.TENANT_ADMIN, tenant=tenant)

    async def device(
        self, name: str, *, tenant: TenantId = MAIN, type_name: str | None = None
    ) -> str:
        """Make a device with a secret; return its token."""
        actor = self.badges.known[self.admin(tenant)].principal
        device = await self.devices.create(actor, NewDevice(name, type_name))
        issued = await self.credentials.issue_secret(actor, device)
        return issued.token

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        certificate: bytes | None = None,
    ) -> Answer:
        """Send one request through the application."""
        sent = _headers(token, body, headers or {})
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        )
        scope = scope_of(method, path, sent, certificate)
        messages: list[MutableMapping[str, Any]] = []
        requests = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            return requests.pop(0) if requests else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await self.application(scope, receive, send)
        start = messages[0]
        received = {name.decode(): value.decode() for name, value in start["headers"]}
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(start["status"], received, content)


def _headers(token: str | None, body: Any, more: dict[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    if body is not None:
        headers["content-type"] = "application/json"
    return headers | {name.lower(): value for name, value in more.items()}


def scope_of(
    method: str, path: str, headers: dict[str, str], certificate: bytes | None = None
) -> dict[str, Any]:
    """Return an ASGI scope as our protocol makes it."""
    path, _, query = path.partition("?")
    if not path.startswith("/api/"):
        path = "/api/v1" + path
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000),
        "client_certificate": certificate,
    }


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    """Run the pipeline of a world."""
    async with asyncio.TaskGroup() as tasks:
        own = [
            tasks.create_task(world.pipeline.run()),
            tasks.create_task(world.imports.run()),
            tasks.create_task(world.replays.run()),
        ]
        try:
            yield world
        finally:
            for task in own:
                task.cancel()
