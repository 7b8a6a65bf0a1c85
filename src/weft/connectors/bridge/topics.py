"""Topic maps: which topics cross a bridge, and what they are called at the other end.

`devices/+/telemetry -> plants/north/{1}` takes what each wildcard stands for, in their order;
a `#` is the last of them and may hold slashes, `{topic}` is the whole name.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from weft.errors import ConfigurationError, WeftError
from weft.security.filters import is_topic, require_filter

_PLACE = re.compile(r"\{(\d+|topic)\}")


class TopicRule(Struct, frozen=True, forbid_unknown_fields=True):
    """`{filter = "devices/+/telemetry", to = "plants/north/{1}"}`."""

    filter: str
    to: str = "{topic}"


class TopicMaps:
    """The rules of one direction; the first that matches counts."""

    def __init__(self, rules: Sequence[TopicRule], setting: str) -> None:
        self._rules = [(_pattern(rule, setting), rule.to) for rule in rules]
        self.filters = tuple(rule.filter for rule in rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def map(self, topic: str) -> str | None:
        """Return what a topic is called at the other end, or None where it does not cross."""
        for pattern, to in self._rules:
            found = pattern.fullmatch(topic)
            if found is not None:
                held = (topic, *(one or "" for one in found.groups()))
                return _PLACE.sub(lambda m, held=held: held[_number(m[1])], to)  # type: ignore[misc]  # bound per turn
        return None


def _number(text: str) -> int:
    return 0 if text == "topic" else int(text)


def _pattern(rule: TopicRule, setting: str) -> re.Pattern[str]:
    """Return what matches a filter's topics, or raise `ConfigurationError`."""
    try:
        require_filter(rule.filter)
    except WeftError as error:
        raise ConfigurationError(f"{setting}: {error.detail}", remedy=error.remedy) from error
    wildcards = sum(level in {"+", "#"} for level in rule.filter.split("/"))
    places = [_number(found) for found in _PLACE.findall(rule.to)]
    plain = _PLACE.sub("x", rule.to)
    if not is_topic(plain) or set("{}") & set(plain) or max(places, default=0) > wildcards:
        raise ConfigurationError(
            f"{setting}: {rule.to!r} is no topic for {rule.filter!r}.",
            remedy=f"Write {{topic}}, or {{1}} to {{{wildcards}}} for what its wildcards hold.",
        )
    levels = rule.filter.split("/")
    text = "/".join({"+": "([^/]*)", "#": "(.*)"}.get(one, re.escape(one)) for one in levels)
    if rule.filter.endswith("/#"):  # it matches its parent level too (MQTT 5, 4.7.1.2)
        text = text.removesuffix("/(.*)") + "(?:/(.*))?"
    guard = "(?!\\$)" if rule.filter[0] in "+#" else ""  # not for $SYS and its like (4.7.2)
    return re.compile(guard + text, re.DOTALL)
