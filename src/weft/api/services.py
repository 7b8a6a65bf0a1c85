"""Services: everything that operations work with, put together by the frame.

The classes are named for the type checker only, so that the table of operations can be read
(by the command line, say) without loading any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weft.security.actions import ACTIONS

if TYPE_CHECKING:
    from weft.api.event_work import EventWork
    from weft.api.links import Links
    from weft.api.live import Live
    from weft.api.operator import Operator
    from weft.api.seams import (
        KnownConnectors,
        Ordered,
        Outgoing,
        Samples,
        SetUpConnectors,
        Snapshots,
    )
    from weft.api.seen import Seen
    from weft.api.settings import ApiSettings
    from weft.api.snippets import Endpoints
    from weft.commands.bulks import Bulks
    from weft.commands.commands import Commands
    from weft.groups.groups import Groups
    from weft.groups.notification_policies import Policies
    from weft.history.events import DeviceEvents
    from weft.history.history import History
    from weft.ingest.quarantine import Quarantine
    from weft.ingest.rejections import Rejections
    from weft.ingest.submit import Ingest
    from weft.packs.packs import Packs
    from weft.ports import Clock, Deciding, Journal, Records
    from weft.registry.arrivals import Arrivals
    from weft.registry.assets import Assets
    from weft.registry.attachments import Attachments
    from weft.registry.bulk import Imports
    from weft.registry.claiming import Claiming
    from weft.registry.claims import Claims
    from weft.registry.device_types import DeviceTypes
    from weft.registry.devices import Devices
    from weft.registry.presence import Presence
    from weft.registry.provisioning import Provisioning
    from weft.registry.relations import Relations
    from weft.registry.silence import Silences
    from weft.registry.tenants import Tenants
    from weft.rules.alarm_bulks import AlarmBulks
    from weft.rules.alarms import Alarms
    from weft.rules.derived.derivations import Derivations
    from weft.rules.derived.recomputing import Recomputings
    from weft.rules.engine import Engine
    from weft.rules.handling import Handling
    from weft.rules.lineage import Lineage
    from weft.rules.maintenance import Windows
    from weft.rules.past.replays import Replays
    from weft.rules.places.books import PlaceBooks
    from weft.rules.rules import Rules
    from weft.rules.surroundings import Surroundings
    from weft.security.audit import Audit
    from weft.security.authentication import Authenticator
    from weft.security.authorities import Authorities
    from weft.security.authority import CertificateAuthority
    from weft.security.connections import Connections
    from weft.security.credentials import Credentials
    from weft.security.enrolment import Enrolments
    from weft.security.keys import Keys
    from weft.security.limits import Limiter
    from weft.security.people import People
    from weft.security.preshared_keys import PresharedKeys
    from weft.security.rotation import Rotation
    from weft.security.sessions import Sessions
    from weft.security.sign_in import SignIn
    from weft.twins.fleet import Fleet
    from weft.twins.twins import Twins


@dataclass(frozen=True)
class Past:
    """What there was, for rules that are tried or replayed."""

    samples: Samples
    replays: Replays


class Computed(Protocol):
    """What is computed from what devices send."""

    @property
    def derivations(self) -> Derivations:
        """How it is computed."""
        ...

    @property
    def recomputings(self) -> Recomputings:
        """What late data has changed of it."""
        ...


@dataclass(frozen=True)
class AlarmWork:
    """What people do with alarms, and what keeps alarms back."""

    handling: Handling
    windows: Windows
    policies: Policies
    bulks: AlarmBulks


@dataclass(frozen=True)
class Services:
    """What handlers are given."""

    records: Records
    journal: Journal
    clock: Clock
    policy: Deciding
    audit: Audit
    authenticator: Authenticator
    operator: Operator
    sign_in: SignIn
    sessions: Sessions
    people: People
    limiter: Limiter
    connections: Connections
    authority: CertificateAuthority
    credentials: Credentials
    enrolments: Enrolments
    authorities: Authorities
    arrivals: Arrivals
    rotation: Rotation
    preshared: PresharedKeys
    keys: Keys
    tenants: Tenants
    types: DeviceTypes
    devices: Devices
    assets: Assets
    attachments: Attachments
    relations: Relations
    groups: Groups
    presence: Presence
    silences: Silences
    claims: Claims
    claiming: Claiming
    imports: Imports
    provisioning: Provisioning
    twins: Twins
    fleet: Fleet
    commands: Commands
    bulks: Bulks
    ingest: Ingest
    rejections: Rejections
    quarantine: Quarantine
    history: History
    device_events: DeviceEvents
    rules: Rules
    packs: Packs
    engine: Engine
    derived: Computed
    surroundings: Surroundings
    past: Past
    places: PlaceBooks
    alarms: Alarms
    alarm_work: AlarmWork
    lineage: Lineage
    connectors: KnownConnectors
    own_connectors: SetUpConnectors
    outbox: Outgoing
    work_orders: Ordered
    events: EventWork
    live: Live
    links: Links
    settings: ApiSettings
    heard: Seen  # deliveries of network servers
    backups: Snapshots
    endpoints: Callable[[], Endpoints]  # ports are known once all listen
    version: str
    started_at: int
    health: Callable[[], Mapping[str, str]]  # each part, and "ok" or a word on what is wrong
    openapi: Callable[[], bytes]
    actions: Callable[[], Collection[str]] = lambda: ACTIONS  # all that the policy knows
