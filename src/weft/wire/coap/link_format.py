"""Link format: what `/.well-known/core` lists (RFC 6690), written and read.

Values are quoted strings; `ct` and `sz` are numbers. What is written is ASCII in structure and
UTF-8 in values, one entry behind the other without a line break.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from weft.wire.coap.faults import CoapError

_MOST_BYTES = 256 * 1024
_MOST_LINKS = 4096
_BARE = frozenset({"ct", "sz"})  # cardinals (RFC 6690 3.3, RFC 7252 7.2.1)
_TARGET = re.compile(r"\s*<([^<>]*)>")
_ATTRIBUTE = re.compile(
    r"\s*;\s*([\w!#$&+.^`|~*-]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s\",;<>]+)))?", re.ASCII
)
_END = re.compile(r"\s*(,|$)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Link(Struct, frozen=True):
    """One resource. `attributes` holds any others than the usual, None for a flag such as obs."""

    target: str
    resource_types: tuple[str, ...] = ()  # rt
    interfaces: tuple[str, ...] = ()  # if
    content_formats: tuple[int, ...] = ()  # ct
    title: str = ""
    size_bytes: int | None = None  # sz
    observable: bool = False  # RFC 7641 6
    attributes: tuple[tuple[str, str | None], ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """What a query may be about (RFC 6690 4.1); a space parts several values."""
        if name == "href":
            return (self.target,)
        known: dict[str, tuple[str, ...]] = {
            "rt": self.resource_types,
            "if": self.interfaces,
            "ct": tuple(str(one) for one in self.content_formats),
            "title": (self.title,) if self.title else (),
            "sz": () if self.size_bytes is None else (str(self.size_bytes),),
            "obs": ("",) if self.observable else (),
        }
        if name in known:
            return known[name]
        return tuple(value or "" for key, value in self.attributes if key == name)


def encode_links(links: Iterable[Link]) -> bytes:
    """The document. Raises ValueError for a target or a name that cannot stand in it."""
    return ",".join(_written(link) for link in links).encode()


def select_links(links: Iterable[Link], query: Iterable[str]) -> list[Link]:
    """Those that match all of `name=value`, with a closing star for any ending (RFC 6690 4.1)."""
    chosen = list(links)
    for argument in query:
        name, _, wanted = argument.partition("=")
        if wanted.endswith("*"):
            start = wanted[:-1]
            chosen = [one for one in chosen if any(v.startswith(start) for v in one.values(name))]
        else:
            chosen = [one for one in chosen if wanted in one.values(name)]
    return chosen


def decode_links(payload: bytes) -> list[Link]:
    """Read a document. Raises CoapError for what is none."""
    if len(payload) > _MOST_BYTES:
        raise CoapError("the list of links is too long", "RFC 6690 2")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise CoapError("links are not UTF-8", "RFC 6690 2.1") from error
    links: list[Link] = []
    at = 0
    while at < len(text) and text[at:].strip():
        found = _TARGET.match(text, at)
        if found is None or len(links) >= _MOST_LINKS:
            raise CoapError(f"there is no link at {at}", "RFC 6690 2")
        target, at = found[1], found.end()
        attributes: list[tuple[str, str | None]] = []
        while (found := _ATTRIBUTE.match(text, at)) is not None:
            quoted = None if found[2] is None else _ESCAPED.sub(r"\1", found[2])
            attributes.append((found[1], quoted if quoted is not None else found[3]))
            at = found.end()
        links.append(_link(target, attributes))
        end = _END.match(text, at)
        if end is None:
            raise CoapError(f"a link does not end at {at}", "RFC 6690 2")
        at = end.end()
    return links


def _written(link: Link) -> str:
    if not re.fullmatch(r"[^<>\s]*", link.target):
        raise ValueError(f"{link.target!r} is no target")
    parts = [f"<{link.target}>"]
    for name, values in (("rt", link.resource_types), ("if", link.interfaces)):
        if values:
            parts.append(f"{name}={_quoted(' '.join(values))}")
    if len(link.content_formats) == 1:
        parts.append(f"ct={link.content_formats[0]}")
    elif link.content_formats:
        parts.append(f'ct="{" ".join(map(str, link.content_formats))}"')
    if link.title:
        parts.append(f"title={_quoted(link.title)}")
    if link.size_bytes is not None:
        parts.append(f"sz={link.size_bytes}")
    if link.observable:
        parts.append("obs")
    for name, value in link.attributes:
        if not re.fullmatch(r"[\w!#$&+.^`|~*-]+", name, re.ASCII):
            raise ValueError(f"{name!r} is no attribute")
        parts.append(name if value is None else f"{name}={_quoted(value)}")
    return ";".join(parts)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _link(target: str, attributes: list[tuple[str, str | None]]) -> Link:
    """The usual attributes by their fields; of a repeated one the first counts (RFC 6690 3)."""
    known: dict[str, str] = {}
    others: list[tuple[str, str | None]] = []
    observable = False
    for name, value in attributes:
        if name == "obs":
            observable = True
        elif name in {"rt", "if", "ct", "title", "sz"}:
            known.setdefault(name, value or "")
        else:
            others.append((name, value))
    return Link(
        target,
        tuple(known.get("rt", "").split()),
        tuple(known.get("if", "").split()),
        tuple(_cardinal(one) for one in known.get("ct", "").split()),
        known.get("title", ""),
        _cardinal(known["sz"]) if "sz" in known else None,
        observable,
        tuple(others),
    )


def _cardinal(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise CoapError(f"{text[:20]!r} is no number", "RFC 6690 2")
    return int(text)
