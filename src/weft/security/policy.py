"""Policy: the one decision on who may do what, whatever the protocol (AU-2).

Deny by default: a principal that the policy was not told of, or that was suspended,
revoked or disabled, may do nothing. The decision sees the principal, the action, the
target and what is in memory here; it reads no clock, disk or network. `version` grows
with every change of any right, so whatever was looked up before is known to be stale. A
right that is new, and that nobody was refused before, makes nothing stale: devices come by
the thousand, and nobody looks up again for them.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from weft.errors import Forbidden
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Deciding, Decision
from weft.security.actions import (
    ACTIONS,
    TOPIC_ACTIONS,
    Role,
    actions_of_roles,
    actions_of_scopes,
)
from weft.security.filters import Direction, Grant, TopicRights

__all__ = ["ACTIONS", "Policy", "require"]

Item = TypeVar("Item", bound=Hashable)

CACHE_MAX = 65_536  # decisions; about 20 MB when full
ASKED_MAX = 262_144  # principals that were decided on, and names; about 50 MB when full

# What a device may do below `devices/{its own id}/` (AZ-7).
_DEVICE_TOPICS = TopicRights(
    (
        Grant(Direction.PUBLISH, "telemetry"),
        Grant(Direction.PUBLISH, "properties/reported"),
        Grant(Direction.PUBLISH, "events/+"),
        Grant(Direction.PUBLISH, "commands/+/result"),
        Grant(Direction.PUBLISH, "dialects/#"),
        Grant(Direction.SUBSCRIBE, "#"),  # all of its own: `devices/me/#` is what people try first
    )
)
# And a Sparkplug host's state, which an edge node waits for before it sends.
_HOST_STATE = TopicRights((Grant(Direction.SUBSCRIBE, "spBv1.0/STATE/+"),))
_NO_TOPICS = TopicRights(())
_READ_TOPICS = TopicRights((Grant(Direction.SUBSCRIBE, "#"),))
_ALL_TOPICS = TopicRights((Grant(Direction.BOTH, "#"),))

# A scope opens the device topics that carry the same data.
_SCOPE_GRANTS: dict[str, tuple[Grant, ...]] = {
    "telemetry:read": (Grant(Direction.SUBSCRIBE, "devices/+/telemetry"),),
    "telemetry:write": (Grant(Direction.PUBLISH, "devices/+/telemetry"),),
    "twins:read": (Grant(Direction.SUBSCRIBE, "devices/+/properties/#"),),
    "commands:read": (Grant(Direction.SUBSCRIBE, "devices/+/commands/#"),),
}


class _Rights:
    """What one principal may do, compiled."""

    __slots__ = ("actions", "tenant", "topics")

    def __init__(self, tenant: TenantId, actions: frozenset[str], topics: TopicRights) -> None:
        self.tenant = tenant
        self.actions = actions
        self.topics = topics


class _Noted(Generic[Item]):
    """What was asked for, in bounded memory: once that is full, all of it may have been."""

    def __init__(self) -> None:
        self._items: set[Item] = set()

    def __contains__(self, item: Item) -> bool:
        return item in self._items or len(self._items) >= ASKED_MAX

    def add(self, item: Item) -> None:
        if len(self._items) < ASKED_MAX:
            self._items.add(item)

    def clear(self) -> None:
        self._items.clear()


# What a device in the quarantine may ask for; the gate keeps what it says, and admits none.
_HEARD = frozenset({"telemetry.write"})
_OWN_ACTIONS = frozenset(name for name, action in ACTIONS.items() if action.own_device)


class Policy:
    """Rights of every known principal, in memory; a `Deciding`."""

    def __init__(self) -> None:
        self._version = 1
        self._devices: dict[str, TenantId] = {}  # uid of each active device
        self._gateways: dict[tuple[TenantId, str], str] = {}  # child's id -> its gateway's uid
        self._waiting: dict[str, TenantId] = {}  # uid of each device in the quarantine
        self._rights: dict[str, _Rights] = {}  # uid of each enabled user and key
        self._cache: dict[tuple[Principal, str, str], Decision] = {}
        # What was decided on since the last change: about whom, and which gateway was no
        # gateway of which device. Whoever remembers a decision asked here for it.
        self._asked: _Noted[str] = _Noted()
        self._strange: _Noted[tuple[str, str]] = _Noted()
        self._watchers: list[Callable[[int], None]] = []

    @property
    def version(self) -> int:
        """Grows with every change of any right."""
        return self._version

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Call `watcher` with the new version after every change (AZ-4)."""
        self._watchers.append(watcher)

    # --- what it is told ---

    def set_device(self, tenant: TenantId, uid: str, *, active: bool) -> None:
        """Take note of a device's lifecycle: only an active device may do anything."""
        waited = self._waiting.pop(uid, None) is not None
        if active:
            before = self._devices.get(uid)
            if before == tenant:
                return
            self._devices[uid] = tenant
            if before is None and uid not in self._asked:
                return
        elif self._devices.pop(uid, None) is None and not waited:
            return
        self._changed()

    def set_devices(self, devices: Iterable[tuple[TenantId, str]]) -> None:
        """Take note of many active devices at once (at start)."""
        self._devices.update((uid, tenant) for tenant, uid in devices)
        self._changed()

    def set_gateway(self, tenant: TenantId, device_id: str, gateway_uid: str) -> None:
        """Take note of which gateway speaks for a device; an empty uid ends that."""
        before = self._gateways.get((tenant, device_id), "")
        if before == gateway_uid:
            return
        if gateway_uid:
            self._gateways[tenant, device_id] = gateway_uid
        else:
            del self._gateways[tenant, device_id]
        if before or (gateway_uid, device_id) in self._strange:
            self._changed()

    def set_gateways(self, children: Iterable[tuple[TenantId, str, str]]) -> None:
        """Take note of many at once, as (tenant, device id, gateway's uid): at start."""
        self._gateways.update(((tenant, child), uid) for tenant, child, uid in children)
        self._changed()

    def set_waiting(self, tenant: TenantId, uid: str) -> None:
        """Take note of a device in the quarantine: it is let in to be heard, with no right."""
        self._waiting[uid] = tenant
        if uid in self._asked:
            self._changed()

    def set_user(self, tenant: TenantId, uid: str, roles: frozenset[Role]) -> None:
        """Take note of an enabled user's roles."""
        topics = _NO_TOPICS
        if Role.TENANT_ADMIN in roles:
            topics = _ALL_TOPICS
        elif roles & {Role.OPERATOR, Role.VIEWER}:
            topics = _READ_TOPICS
        self._rights[uid] = _Rights(tenant, actions_of_roles(roles), topics)
        self._changed()

    def set_key(
        self, tenant: TenantId, uid: str, scopes: frozenset[str], grants: tuple[Grant, ...]
    ) -> None:
        """Take note of a service key's scopes and topic grants."""
        implied = [grant for scope in scopes for grant in _SCOPE_GRANTS.get(scope, ())]
        topics = TopicRights([*implied, *grants])
        self._rights[uid] = _Rights(tenant, actions_of_scopes(scopes), topics)
        self._changed()

    def forget(self, uid: str) -> None:
        """Drop all rights of a principal that was disabled, revoked or deleted."""
        self._devices.pop(uid, None)
        self._waiting.pop(uid, None)
        self._rights.pop(uid, None)
        self._changed()

    def bump(self) -> None:
        """Make all that was looked up before stale, as after revoking one credential of many."""
        self._changed()

    def _changed(self) -> None:
        self._version += 1
        self._cache.clear()
        self._asked.clear()
        self._strange.clear()
        for watcher in self._watchers:
            watcher(self._version)

    # --- what it answers ---

    def is_active(self, tenant: TenantId, device_uid: str) -> bool:
        """Whether a device may do anything at all: others are refused at the door."""
        return self._devices.get(device_uid) == tenant

    def is_waiting(self, tenant: TenantId, device_uid: str) -> bool:
        """Whether a device in the quarantine may come to the door and say its first words."""
        return self._waiting.get(device_uid) == tenant

    def decide(self, principal: Principal, action: str, target: str) -> Decision:
        """Decide on a target in the principal's own tenant."""
        key = (principal, action, target)
        decision = self._cache.get(key)
        if decision is None:
            allowed, reason = self._judge(principal, action, target)
            self._asked.add(principal.uid)
            decision = Decision(allowed, reason, self._version)
            if len(self._cache) >= CACHE_MAX:
                self._cache.clear()
            self._cache[key] = decision
        return decision

    def explain(self, principal: Principal, action: str, target: str) -> Decision:
        """Decide afresh, past the cache, with the reason for a person to read."""
        allowed, reason = self._judge(principal, action, target)
        may = "may" if allowed else "may not"
        return Decision(allowed, f"{principal} {may} {action} {target}: {reason}.", self._version)

    def _judge(self, principal: Principal, action: str, target: str) -> tuple[bool, str]:
        if action not in ACTIONS:
            return False, "no such action is declared"
        if principal.kind is PrincipalKind.SYSTEM:
            return True, "it is Weft itself"
        if principal.kind is PrincipalKind.DEVICE:
            return self._judge_device(principal, action, target)
        return self._judge_holder(principal, action, target)

    def _judge_device(self, principal: Principal, action: str, target: str) -> tuple[bool, str]:
        if self._devices.get(principal.uid) != principal.tenant:
            own = target == f"device:{principal.id}"
            if own and action in _HEARD and self.is_waiting(principal.tenant, principal.uid):
                return True, "it waits in the quarantine, and is heard there"
            return False, "the device is not active"
        if action in TOPIC_ACTIONS:
            if not target.startswith("topic:"):
                return False, "the target is no topic"
            topic = target[6:]
            if topic.startswith("spBv1.0/STATE/"):
                return _HOST_STATE.decide(action, topic)
            spoken_for = self._spoken_for(principal, topic)
            return _DEVICE_TOPICS.decide(action, topic, f"devices/{spoken_for or principal.id}/")
        if action in _OWN_ACTIONS:
            named = target.removeprefix("device:")
            if target == f"device:{principal.id}":
                return True, "it is the device's own"
            if self._speaks_for(principal, named):
                return True, "it is a device that this gateway speaks for"
        return False, "a device may only act on itself, and a gateway on its devices"

    def _spoken_for(self, principal: Principal, topic: str) -> str:
        """Return the device that a topic names, if this principal is its gateway."""
        share = topic.startswith("$share/")
        levels = topic.split("/", 4 if share else 2)[2 if share else 0 :]
        if len(levels) < 3 or levels[0] != "devices":
            return ""
        return levels[1] if self._speaks_for(principal, levels[1]) else ""

    def _speaks_for(self, gateway: Principal, device_id: str) -> bool:
        if self._gateways.get((gateway.tenant, device_id)) == gateway.uid:
            return True
        self._strange.add((gateway.uid, device_id))
        return False

    def _judge_holder(self, principal: Principal, action: str, target: str) -> tuple[bool, str]:
        rights = self._rights.get(principal.uid)
        if rights is None or rights.tenant != principal.tenant:
            return False, f"the {principal.kind} is not enabled"
        if action in TOPIC_ACTIONS:
            if not target.startswith("topic:"):
                return False, "the target is no topic"
            return rights.topics.decide(action, target[6:])
        if action in rights.actions:
            return True, "a role or scope allows it"
        return False, "no role or scope allows it"


def require(policy: Deciding, principal: Principal, action: str, target: str) -> None:
    """Raise `Forbidden` unless the policy allows it."""
    decision = policy.decide(principal, action, target)
    if not decision.allowed:
        raise Forbidden(
            f"{principal} may not {action} {target}: {decision.reason}.",
            remedy="Ask an administrator of your tenant for a role, scope or grant that allows it.",
        )
