"""The table of dialects: which words a topic is in, for messages, filters and deliveries.

A topic belongs to the first dialect whose prefix it begins with (a prefix without a slash
at its end is a whole topic); all others are native.
"""

from collections.abc import Iterable, Iterator

from weft.ingest.dialects import native
from weft.ingest.dialects.dialect import Dialect

SHARE = "$share/"


class Dialects:
    """All dialects that are spoken besides the native one."""

    def __init__(self, dialects: Iterable[Dialect] = ()) -> None:
        self._by_name = {dialect.name: dialect for dialect in dialects}
        self._prefixes = tuple(
            (prefix, dialect) for dialect in self._by_name.values() for prefix in dialect.prefixes
        )

    def __iter__(self) -> Iterator[Dialect]:
        return iter(self._by_name.values())

    def named(self, name: str) -> Dialect | None:
        """Return the dialect of a name, or None."""
        return self._by_name.get(name)

    def of_topic(self, topic: str) -> Dialect | None:
        """Return the dialect that a topic or filter is in; None for a native one."""
        for prefix, dialect in self._prefixes:
            if topic.startswith(prefix) and (prefix[-1] == "/" or topic == prefix):
                return dialect
        return None

    def native_filter(self, text: str, device_id: str) -> str:
        """Return the native filter that a device means, also behind `$share/{group}/`."""
        if not device_id:
            return text
        if text.startswith(SHARE) and text.count("/") >= 2:
            share, group, rest = text.split("/", 2)
            return f"{share}/{group}/{self.native_filter(rest, device_id)}"
        dialect = self.of_topic(text)
        found = None if dialect is None else dialect.native_filter(text, device_id)
        return native.canonical_filter(text, device_id) if found is None else found

    def own_topic(self, topic: str, device_id: str) -> str:
        """Return a delivery's topic in the words that the receiving device subscribed in."""
        name = native.dialect_of(topic)
        dialect = self._by_name.get(name) if name and device_id else None
        found = None if dialect is None else dialect.own_topic(topic, device_id)
        return topic if found is None else found


NATIVE_ONLY = Dialects()
