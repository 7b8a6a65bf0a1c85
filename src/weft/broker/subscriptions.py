"""Subscriptions: what a session asked for, and who therefore gets a message.

A session with several matching subscriptions gets one copy, at the highest QoS of them
and with the identifiers of all (MQTT 5, 3.3.4). A shared subscription's message goes to
one member of its group, turn by turn, and to those that are connected first.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from weft.broker.sessions import Session


class SubscriptionRequest(Struct, frozen=True, array_like=True):
    """One filter of a SUBSCRIBE, with its options (MQTT 5, 3.8.3.1). MQTT 3.1.1 has only the QoS.

    `identifier` 0 stands for none.
    """

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


class Subscription(Struct, eq=False):
    """A granted subscription of one session; `filter` is without the `$share` part."""

    session: "Session"
    request: SubscriptionRequest
    group: str
    filter: str


class SharedGroup:
    """The members of one `$share/{group}/{filter}`, served in turn."""

    __slots__ = ("members", "turn")

    def __init__(self) -> None:
        self.members: dict[str, Subscription] = {}  # by session key
        self.turn = 0


Entry = Subscription | SharedGroup  # what hangs in a filter tree


class Target(Struct, eq=False):
    """One session that gets a message, and how.

    `own` says how it gets its own messages: as any other's, not at all (no local), or
    through those of its overlapping subscriptions that do not forbid it.
    """

    session: "Session"
    qos: int
    subscription_ids: tuple[int, ...]
    retain_as_published: bool
    own: "Target | None" = None
    share: str = ""  # the shared subscription that it is a member of


class Plan:
    """Who gets the messages of one route, as of one state of subscriptions and rights."""

    __slots__ = ("groups", "targets")

    def __init__(
        self,
        targets: tuple[Target, ...] = (),
        groups: tuple[tuple[SharedGroup, tuple[Target, ...]], ...] = (),
    ) -> None:
        self.targets = targets
        self.groups = groups


NOBODY = Plan()


def make_plan(entries: Iterable[Entry], topic: str) -> Plan:
    """Work out who gets what is published to a topic: only who may receive it now (AZ-3)."""
    by_session: dict[str, list[Subscription]] = {}
    groups: list[tuple[SharedGroup, tuple[Target, ...]]] = []
    for entry in entries:
        if isinstance(entry, SharedGroup):
            members = members_for(entry, topic)
            if members:
                groups.append((entry, members))
        elif entry.session.may_receive(topic):
            by_session.setdefault(entry.session.key, []).append(entry)
    if not by_session and not groups:
        return NOBODY
    return Plan(tuple(_target(found) for found in by_session.values()), tuple(groups))


def members_for(group: SharedGroup, topic: str) -> tuple[Target, ...]:
    """Return the members of a group that may receive a topic."""
    return tuple(
        _target([member]) for member in group.members.values() if member.session.may_receive(topic)
    )


def choose(group: SharedGroup, members: tuple[Target, ...]) -> Target:
    """Take the member whose turn it is: one that keeps up, else a live one, else a stored one."""
    turn = group.turn
    group.turn = turn + 1
    count = len(members)
    live: Target | None = None
    for i in range(count):
        member = members[(turn + i) % count]
        if member.session.flowing:
            if not member.session.queue:
                return member
            live = live or member
    return live or members[turn % count]


def _target(found: list[Subscription]) -> Target:
    target = _merged(found)
    local = [one for one in found if not one.request.no_local]
    if len(local) == len(found):
        target.own = target
    elif local:
        target.own = _merged(local)
    return target


def _merged(found: list[Subscription]) -> Target:
    return Target(
        session=found[0].session,
        qos=max(one.request.qos for one in found),
        subscription_ids=tuple(one.request.identifier for one in found if one.request.identifier),
        retain_as_published=any(one.request.retain_as_published for one in found),
        share=found[0].request.filter if found[0].group else "",
    )
