"""Topics: names, filters, and the trees that match one against the other.

A tree belongs to one tenant, so that no filter can see another tenant's topics (TN-1).
What a topic matches is remembered until the tree changes.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from weft.errors import Invalid

K = TypeVar("K")
V = TypeVar("V")

TOPIC_BYTES_MAX = 1024  # MQ-5
LEVELS_MAX = 32  # MQ-5: a deep topic costs every matcher (CVE-2021-33175)
SHARE = "$share/"


def require_topic(topic: str) -> str:
    """Return a topic name that may be published to, else raise `Invalid` [MQTT-3.3.2-2]."""
    _require_text(topic, "topic")
    if "+" in topic or "#" in topic:
        raise Invalid(
            f"The topic {topic!r} has a wildcard in it.",
            remedy="Publish to one topic; only subscriptions may use + and #.",
        )
    return topic


def require_filter(text: str) -> str:
    """Return a topic filter (without `$share`), else raise `Invalid` [MQTT-4.7.1-1, 4.7.1-2]."""
    _require_text(text, "topic filter")
    levels = text.split("/")
    last = len(levels) - 1
    for i, level in enumerate(levels):
        alone = len(level) == 1
        if ("#" in level and not (alone and i == last)) or ("+" in level and not alone):
            raise Invalid(
                f"The topic filter {text!r} has a wildcard in a wrong place.",
                remedy="A + stands alone between slashes; a # stands alone at the end.",
            )
    return text


def split_share(text: str) -> tuple[str, str]:
    """Return (group, filter) of a subscription; the group is empty for one that is not shared."""
    if not text.startswith(SHARE):
        return "", text
    group, slash, rest = text[len(SHARE) :].partition("/")
    if not group or not slash or not rest or "+" in group or "#" in group:  # [MQTT-4.8.2-1, -2]
        raise Invalid(
            f"{text!r} is no shared subscription.", remedy="Write $share/GROUP/TOPIC-FILTER."
        )
    return group, rest


def _require_text(text: str, what: str) -> None:
    if not text:
        raise Invalid(f"The {what} is empty.", remedy=f"Name a {what}.")
    if len(text) > TOPIC_BYTES_MAX or len(text.encode()) > TOPIC_BYTES_MAX:
        raise Invalid(
            f"The {what} is longer than {TOPIC_BYTES_MAX} bytes.", remedy="Use a shorter one."
        )
    if text.count("/") >= LEVELS_MAX:
        raise Invalid(f"The {what} has more than {LEVELS_MAX} levels.", remedy="Use fewer slashes.")
    if "\0" in text:  # [MQTT-4.7.3-2]
        raise Invalid(f"The {what} holds a NUL character.", remedy="Leave it out.")


class _Node(Generic[K, V]):
    """One level of a tree: the children by name, and what hangs here."""

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K, V]] = {}
        self.values: dict[K, V] = {}


class FilterTree(Generic[K, V]):
    """Filters with a value per key, matched by topic."""

    def __init__(self, *, cached_max: int = 16_384) -> None:
        self._root: _Node[K, V] = _Node()
        self._cached: dict[str, tuple[V, ...]] = {}
        self._cached_max = cached_max
        self._count = 0
        self.version = 0

    def __len__(self) -> int:
        return self._count

    def put(self, filter_: str, key: K, value: V) -> None:
        """Add or replace the value of a key under a filter."""
        node = self._root
        for level in filter_.split("/"):
            node = node.children.setdefault(level, _Node())
        if key not in node.values:
            self._count += 1
        node.values[key] = value
        self._changed()

    def find(self, filter_: str, key: K) -> V | None:
        """Return the value of a key under exactly this filter."""
        node: _Node[K, V] | None = self._root
        for level in filter_.split("/"):
            node = node.children.get(level) if node is not None else None
        return node.values.get(key) if node is not None else None

    def remove(self, filter_: str, key: K) -> bool:
        """Remove a key from a filter, and the branches that bear nothing after it."""
        levels = filter_.split("/")
        path = [self._root]
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return False
            path.append(child)
        if path[-1].values.pop(key, None) is None:
            return False
        for level, parent, child in zip(
            reversed(levels), reversed(path[:-1]), reversed(path), strict=False
        ):
            if child.values or child.children:
                break
            del parent.children[level]
        self._count -= 1
        self._changed()
        return True

    def match(self, topic: str) -> tuple[V, ...]:
        """Return the values of all filters that match a topic."""
        found = self._cached.get(topic)
        if found is None:
            found = tuple(self._walk(topic))
            if len(self._cached) >= self._cached_max:
                self._cached.clear()
            self._cached[topic] = found
        return found

    def _changed(self) -> None:
        self.version += 1
        self._cached.clear()

    def _walk(self, topic: str) -> Iterator[V]:
        levels = topic.split("/")
        nodes = [self._root]
        # A wildcard at the start does not match a topic that begins with $ [MQTT-4.7.2-1].
        wild = not topic.startswith("$")
        for level in levels:
            below: list[_Node[K, V]] = []
            for node in nodes:
                children = node.children
                if wild:
                    if "#" in children:
                        yield from children["#"].values.values()
                    if "+" in children:
                        below.append(children["+"])
                if level in children:
                    below.append(children[level])
            wild = True
            nodes = below
            if not nodes:
                return
        for node in nodes:
            if "#" in node.children:  # a/# matches a as well [4.7.1.2]
                yield from node.children["#"].values.values()
            yield from node.values.values()


class TopicIndex(Generic[V]):
    """Topics with one value each, matched by filter."""

    def __init__(self) -> None:
        self._root: _Node[str, V] = _Node()
        self._by_topic: dict[str, V] = {}

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[V]:
        return iter(self._by_topic.values())

    def find(self, topic: str) -> V | None:
        """Return the value of a topic."""
        return self._by_topic.get(topic)

    def put(self, topic: str, value: V) -> None:
        """Set the value of a topic."""
        node = self._root
        for level in topic.split("/"):
            node = node.children.setdefault(level, _Node())
        node.values[topic] = value
        self._by_topic[topic] = value

    def remove(self, topic: str) -> V | None:
        """Remove a topic; return its value."""
        value = self._by_topic.pop(topic, None)
        if value is None:
            return None
        levels = topic.split("/")
        path = [self._root]
        for level in levels:
            path.append(path[-1].children[level])
        del path[-1].values[topic]
        for level, parent, child in zip(
            reversed(levels), reversed(path[:-1]), reversed(path), strict=False
        ):
            if child.values or child.children:
                break
            del parent.children[level]
        return value

    def match(self, filter_: str) -> list[V]:
        """Return the values of all topics that a filter matches."""
        if "+" not in filter_ and "#" not in filter_:
            value = self._by_topic.get(filter_)
            return [] if value is None else [value]
        nodes = [self._root]
        for i, level in enumerate(filter_.split("/")):
            hidden = "$" if i == 0 else ""  # [MQTT-4.7.2-1]
            if level == "#":
                return [value for node in nodes for value in _below(node, hidden)]
            if level == "+":
                nodes = [
                    child
                    for node in nodes
                    for name, child in node.children.items()
                    if not (hidden and name.startswith(hidden))
                ]
            else:
                nodes = [node.children[level] for node in nodes if level in node.children]
        return [value for node in nodes for value in node.values.values()]


def _below(node: _Node[str, V], hidden: str) -> Iterator[V]:
    """Yield everything at and below a node, but for children that begin with `hidden`."""
    yield from node.values.values()
    for name, child in node.children.items():
        if not (hidden and name.startswith(hidden)):
            yield from _below(child, "")
