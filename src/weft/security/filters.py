"""Topic rights: which topics a principal may publish to, subscribe to and receive.

A grant is an MQTT topic filter with an effect. A concrete topic is allowed when a filter
allows it and none denies it. A subscription is allowed only when it asks for no more than
one allowing filter gives: a wider one is refused, never narrowed in silence. Where a
denying filter cuts a hole into it, delivery is checked topic by topic.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from weft.errors import Invalid

FILTER_MAX_BYTES = 1024
FILTER_MAX_LEVELS = 32
GRANTS_MAX = 64


class Effect(StrEnum):
    """What a grant does."""

    ALLOW = "allow"
    DENY = "deny"


class Direction(StrEnum):
    """Which way a grant's messages go, seen from the principal."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"  # and receive
    BOTH = "both"


class Grant(Struct, frozen=True, forbid_unknown_fields=True):
    """One topic right, as people write it."""

    action: Direction
    filter: str
    effect: Effect = Effect.ALLOW


def is_topic(text: str) -> bool:
    """Whether a text can be published to (MQTT 5 [MQTT-4.7.1-1], [MQTT-4.7.3-1], -2)."""
    return bool(text) and "+" not in text and "#" not in text and "\0" not in text


def is_filter(text: str) -> bool:
    """Whether a text is a topic filter: wildcards alone in their level, `#` at the end."""
    if not text or "\0" in text:
        return False
    levels = text.split("/")
    for level in levels[:-1]:
        if "#" in level or ("+" in level and level != "+"):
            return False
    last = levels[-1]
    return last in {"+", "#"} or ("+" not in last and "#" not in last)


def require_filter(text: str) -> str:
    """Return a filter that may stand in a grant, or raise `Invalid`."""
    if not is_filter(text) or text.startswith("$") or not text.isprintable():
        raise Invalid(
            f"{text!r} is not a topic filter.",
            remedy="Write levels with / between them; + for one level, # at the end for the rest.",
        )
    if len(text.encode()) > FILTER_MAX_BYTES or text.count("/") >= FILTER_MAX_LEVELS:
        raise Invalid(
            f"The filter is longer than {FILTER_MAX_BYTES} bytes or {FILTER_MAX_LEVELS} levels.",
            remedy="Grant a shorter, wider filter.",
        )
    return text


def contains(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide` too."""
    if narrow.startswith("$") and wide[:1] in {"+", "#"}:
        return False  # MQTT 5 [MQTT-4.7.2-1]: wildcards do not reach $-topics
    asked = narrow.split("/")
    given = wide.split("/")
    for position, level in enumerate(given):
        if level == "#":
            return True
        if position == len(asked):
            return False
        other = asked[position]
        if other == "#" or (level not in {"+", other}):
            return False
    return len(asked) == len(given)


Node = dict[str, Any]
_END = ""  # key of "a filter ends here"; levels are stored with a mark, so none is empty


class TopicSet:
    """A set of filters, compiled once, asked per topic."""

    __slots__ = ("_filters", "_root")

    def __init__(self, filters: Iterable[str]) -> None:
        self._filters = tuple(filters)
        self._root: Node = {}
        for text in self._filters:
            node = self._root
            for level in text.split("/"):
                node = node.setdefault("=" + level, {})
            node[_END] = True

    def __bool__(self) -> bool:
        return bool(self._filters)

    def matches(self, topic: str) -> bool:
        """Whether any filter matches a concrete topic."""
        levels = topic.split("/")
        if not topic.startswith("$"):
            return _walk(self._root, levels, 0)
        node = self._root.get("=" + levels[0])
        return node is not None and _walk(node, levels, 1)

    def contains(self, narrow: str) -> bool:
        """Whether one of the filters gives all that `narrow` asks for."""
        return any(contains(wide, narrow) for wide in self._filters)


def _walk(node: Node, levels: list[str], position: int) -> bool:
    if "=#" in node:
        return True
    if position == len(levels):
        return _END in node
    child = node.get("=" + levels[position])
    if child is not None and _walk(child, levels, position + 1):
        return True
    child = node.get("=+")
    return child is not None and _walk(child, levels, position + 1)


class TopicRights:
    """What one principal may do with topics.

    `decide` takes a prefix, so that all devices share one compiled set of rights below it.
    """

    __slots__ = ("_publish", "_publish_deny", "_receive", "_receive_deny")

    def __init__(self, grants: Iterable[Grant]) -> None:
        grants = tuple(grants)
        self._publish = _select(grants, Direction.PUBLISH, Effect.ALLOW)
        self._publish_deny = _select(grants, Direction.PUBLISH, Effect.DENY)
        self._receive = _select(grants, Direction.SUBSCRIBE, Effect.ALLOW)
        self._receive_deny = _select(grants, Direction.SUBSCRIBE, Effect.DENY)

    def decide(self, action: str, topic: str, prefix: str = "") -> tuple[bool, str]:
        """Return whether a topic action is allowed, and why."""
        if action == "topic.subscribe":
            return self._subscribe(topic, prefix)
        if not is_topic(topic):
            return False, "it is not a topic name"
        if action == "topic.publish":
            allowed, denied = self._publish, self._publish_deny
        else:
            allowed, denied = self._receive, self._receive_deny
        if not topic.startswith(prefix):
            return False, "the topic belongs to another device"
        rest = topic[len(prefix) :]
        if denied and denied.matches(rest):
            return False, "a grant denies this topic"
        if allowed.matches(rest):
            return True, "a grant allows this topic"
        return False, "no grant allows this topic"

    def _subscribe(self, text: str, prefix: str) -> tuple[bool, str]:
        if text.startswith("$share/"):  # MQTT 5, 4.8.2: rights are those of the filter itself
            parts = text.split("/", 2)
            if len(parts) < 3 or not parts[1] or "+" in parts[1] or "#" in parts[1]:
                return False, "it is not a shared subscription"
            text = parts[2]
        if not is_filter(text):
            return False, "it is not a topic filter"
        if not text.startswith(prefix):
            return False, "the filter reaches beyond this device's own topics"
        rest = text[len(prefix) :]
        if self._receive_deny.contains(rest):
            return False, "a grant denies this filter"
        if self._receive.contains(rest):
            return True, "a grant allows this filter"
        return False, "no grant allows all that this filter asks for"


def _select(grants: tuple[Grant, ...], direction: Direction, effect: Effect) -> TopicSet:
    return TopicSet(
        grant.filter
        for grant in grants
        if grant.effect is effect and grant.action in {direction, Direction.BOTH}
    )
