"""Actions: everything that can be asked of Weft, and which role or scope may ask it.

One table. The API's operations, the gate and the broker name their action by its key
here; a name that is not in the table raises at start, so that nothing can be reached
that nobody has decided about (AZ-1). An action without a scope is for people only:
service keys never manage people, keys, tenants, policy or backups (AZ-6).
"""

from enum import StrEnum

from msgspec import Struct

from weft.errors import ConfigurationError, Invalid


class Role(StrEnum):
    """What a person is here for. A person may have several."""

    PLATFORM_ADMIN = "platform_admin"  # tenants, backups, the machine; no tenant's data by itself
    TENANT_ADMIN = "tenant_admin"  # everything in one tenant
    OPERATOR = "operator"  # runs the plant: commands, alarms, desired properties
    VIEWER = "viewer"  # reads


class Action(Struct, frozen=True):
    """Who may do one thing."""

    name: str
    roles: frozenset[Role]
    scope: str | None = None
    own_device: bool = False  # a device may do it to itself


_PLATFORM = frozenset({Role.PLATFORM_ADMIN})
_ADMIN = frozenset({Role.TENANT_ADMIN})
_OPERATE = _ADMIN | {Role.OPERATOR}
_READ = _OPERATE | {Role.VIEWER}
_ANYONE = _READ | _PLATFORM

# name -> (roles, scope of service keys)
_TABLE: dict[str, tuple[frozenset[Role], str | None]] = {
    "device.read": (_READ, "devices:read"),
    "device.create": (_ADMIN, "devices:write"),
    "device.update": (_OPERATE, "devices:write"),
    "device.delete": (_ADMIN, "devices:write"),
    "device.lifecycle": (_ADMIN, "devices:write"),
    "device.credentials": (_ADMIN, "devices:write"),
    "device.introduce": (_ADMIN, "devices:write"),  # a gateway adds a device that it speaks for
    "claim.read": (_ADMIN, "claims:read"),
    "claim.create": (_ADMIN, "claims:write"),
    "claim.revoke": (_ADMIN, "claims:write"),
    "claim.again": (_ADMIN, "claims:write"),
    "device.enrol": (_ADMIN, "devices:write"),
    "device.renew": (_ADMIN, "devices:write"),
    "ca.read": (_ANYONE, "devices:read"),
    "ca.manage": (_PLATFORM, None),  # at the machine itself
    "authority.read": (_ADMIN, "devices:read"),
    "authority.write": (_ADMIN, None),  # whom all devices of a customer are believed by
    "quarantine.read": (_READ, "quarantine:read"),
    "quarantine.approve": (_ADMIN, "quarantine:write"),
    "import.read": (_READ, "devices:read"),
    "import.create": (_ADMIN, "devices:write"),
    "import.report": (_ADMIN, "devices:write"),  # it may hold secrets
    "device.release": (_ADMIN, "devices:write"),  # a code, by which another tenant claims it
    "device.claim": (_ADMIN, "devices:write"),
    "type.read": (_READ, "types:read"),
    "type.write": (_ADMIN, "types:write"),
    "type.delete": (_ADMIN, "types:write"),
    "asset.read": (_READ, "assets:read"),
    "asset.write": (_OPERATE, "assets:write"),
    "asset.delete": (_ADMIN, "assets:write"),
    "group.read": (_READ, "groups:read"),
    "group.write": (_OPERATE, "groups:write"),
    "group.delete": (_OPERATE, "groups:write"),
    "telemetry.read": (_READ, "telemetry:read"),
    "telemetry.write": (_ADMIN, "telemetry:write"),
    "view.read": (_READ, "views:read"),
    "view.write": (_OPERATE, "views:write"),  # one's own; a viewer changes nothing (AZ-7)
    "history.read": (_READ, "telemetry:read"),
    "twin.read": (_READ, "twins:read"),
    "twin.write": (_OPERATE, "twins:write"),
    "twin.desire_own": (_ADMIN, "twins:write"),  # a device answers for its own desired side
    "command.read": (_READ, "commands:read"),
    "command.send": (_OPERATE, "commands:write"),
    "place.read": (_READ, "places:read"),
    "place.write": (_OPERATE, "places:write"),
    "place.delete": (_OPERATE, "places:write"),
    "rule.read": (_READ, "rules:read"),
    "rule.write": (_ADMIN, "rules:write"),
    "rule.delete": (_ADMIN, "rules:write"),
    "derivation.read": (_READ, "rules:read"),
    "derivation.write": (_ADMIN, "rules:write"),
    "derivation.delete": (_ADMIN, "rules:write"),
    "pack.read": (_READ, "packs:read"),
    "pack.install": (_ADMIN, "packs:write"),  # and the right to write each of its items
    "pack.remove": (_ADMIN, "packs:write"),
    "rule.replay": (_OPERATE, "rules:read"),
    "rule.act": (_ADMIN, "rules:write"),  # asked of the owner when a rule acts (AZ-5)
    "alarm.read": (_READ, "alarms:read"),
    "alarm.acknowledge": (_OPERATE, "alarms:write"),
    "alarm.clear": (_OPERATE, "alarms:write"),
    "alarm.assign": (_OPERATE, "alarms:write"),
    "alarm.comment": (_OPERATE, "alarms:write"),
    "alarm.prioritise": (_OPERATE, "alarms:write"),
    "alarm.shelve": (_OPERATE, "alarms:write"),
    "alarm.bulk": (_OPERATE, "alarms:write"),  # and the right to each act
    "maintenance.read": (_READ, "alarms:read"),
    "maintenance.write": (_OPERATE, "alarms:write"),
    "fault.read": (_READ, "alarms:read"),
    "notification.read": (_OPERATE, "notifications:read"),  # addresses of people stand in it
    "notification.write": (_ADMIN, "notifications:write"),
    "plan.read": (_READ, "work_orders:read"),
    "plan.write": (_ADMIN, "work_orders:write"),
    "work_order.read": (_READ, "work_orders:read"),
    "work_order.write": (_OPERATE, "work_orders:write"),
    "connector.read": (_READ, "connectors:read"),
    "connector.write": (_ADMIN, "connectors:write"),
    "connector.set_up": (_ADMIN, None),  # where what a tenant knows is sent to
    "subscription.read": (_READ, "subscriptions:read"),
    "subscription.write": (_ADMIN, "subscriptions:write"),
    "subscription.redrive": (_OPERATE, "subscriptions:write"),
    "outbox.read": (_READ, "outbox:read"),
    "outbox.redrive": (_OPERATE, "outbox:write"),
    "rejection.read": (_READ, "rejections:read"),
    "rejection.redrive": (_OPERATE, "rejections:write"),
    "rejection.delete": (_OPERATE, "rejections:write"),
    "lineage.read": (_READ, "lineage:read"),
    "change.read": (_READ, "changes:read"),  # and the right to read what was changed
    "live.read": (_READ, "live:read"),
    "connection.read": (_READ, "connections:read"),
    "connection.cut": (_OPERATE, "connections:write"),
    "audit.read": (_ADMIN | _PLATFORM, "audit:read"),
    "audit.verify": (_ADMIN | _PLATFORM, "audit:read"),
    "health.read": (_ANYONE, "health:read"),
    "metrics.read": (_ADMIN | _PLATFORM, "metrics:read"),
    "openapi.read": (_ANYONE, "openapi:read"),
    "session.read": (_ANYONE, "session:read"),  # who am I, and what may I
    # From here on people only (AZ-6).
    "session.manage": (_ANYONE, None),  # own password, own sessions
    "user.read": (_ADMIN | _PLATFORM, None),
    "user.invite": (_ADMIN | _PLATFORM, None),
    "user.update": (_ADMIN | _PLATFORM, None),
    "simulation.run": (_ADMIN, None),  # it makes devices, and speaks as them
    "user.sign_out": (_ADMIN | _PLATFORM, None),
    "user.disable": (_ADMIN | _PLATFORM, None),
    "user.delete": (_ADMIN | _PLATFORM, None),
    "key.read": (_ADMIN, None),
    "key.create": (_ADMIN, None),
    "key.revoke": (_ADMIN, None),
    "policy.read": (_ADMIN, None),
    "policy.write": (_ADMIN, None),
    "tenant.read": (_PLATFORM, None),
    "tenant.create": (_PLATFORM, None),
    "tenant.update": (_PLATFORM, None),
    "tenant.delete": (_PLATFORM, None),
    "connector.seal": (_PLATFORM, None),  # what several tenants' connectors may use
    "backup.create": (_PLATFORM, None),
    "backup.restore": (_PLATFORM, None),
}

# Decided by the topic itself: see `weft.security.filters`.
TOPIC_ACTIONS = frozenset({"topic.publish", "topic.subscribe", "topic.receive"})

_OWN = frozenset(
    {
        "device.read",
        "device.introduce",
        "device.renew",
        "telemetry.write",
        "twin.read",
        "twin.desire_own",
        "command.read",
    }
)

ACTIONS: dict[str, Action] = {
    name: Action(name=name, roles=roles, scope=scope, own_device=name in _OWN)
    for name, (roles, scope) in _TABLE.items()
} | {name: Action(name=name, roles=frozenset()) for name in TOPIC_ACTIONS}

SCOPES: frozenset[str] = frozenset(
    action.scope for action in ACTIONS.values() if action.scope is not None
)


def require_action(name: str) -> Action:
    """Return the action, or raise `ConfigurationError`: an operation of no known action."""
    action = ACTIONS.get(name)
    if action is None:
        raise ConfigurationError(
            f"No action is named {name!r}, so nobody has decided who may do it.",
            remedy="Declare it in weft.security.actions with its roles and scope.",
        )
    return action


def require_scopes(scopes: tuple[str, ...]) -> frozenset[str]:
    """Return the scopes written out (`rules:*` is all of rules); raise `Invalid` if unknown."""
    found: set[str] = set()
    for scope in scopes:
        subject, _, verb = scope.partition(":")
        chosen = {scope} & SCOPES
        if verb == "*":
            chosen = {known for known in SCOPES if known.partition(":")[0] == subject}
        if not chosen:
            raise Invalid(
                f"No scope is named {scope!r}.",
                remedy="Known scopes: " + ", ".join(sorted(SCOPES)) + ".",
            )
        found |= chosen
    return frozenset(found)


def actions_of_roles(roles: frozenset[Role]) -> frozenset[str]:
    """Return the names of all actions that any of the roles may do."""
    return frozenset(name for name, action in ACTIONS.items() if action.roles & roles)


def actions_of_scopes(scopes: frozenset[str]) -> frozenset[str]:
    """Return the names of all actions that any of the scopes opens."""
    return frozenset(name for name, action in ACTIONS.items() if action.scope in scopes)
