"""Bodies: reading what a request carries, within stated bounds.

The size is checked before and while reading, the media type before decoding, and the depth
before anything else looks at a document. JSON that names an unknown field is refused
(AZ-2): nothing is set that the operation does not offer.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import yaml
from msgspec import Struct

from weft.api.operation import YAML, Operation, Receive
from weft.api.problems import Malformed, NotAcceptable, UnsupportedMediaType, VersionRequired
from weft.errors import Invalid, TooLarge

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')
_YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml"})


class ClientGone(Exception):
    """The caller hung up before the request was complete."""


async def read_body(receive: Receive, length: bytes | None, limit: int, timeout_s: float) -> bytes:
    """Return the whole body, or raise `TooLarge` as soon as it is known to be too large."""
    if length is not None and (not length.isdigit() or int(length) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(timeout_s):
            chunks: list[bytes] = []
            size = 0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError as error:
        raise Malformed(
            f"The body was not complete after {timeout_s:g} s.", remedy="Send it in one go."
        ) from error


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit} bytes.", remedy="Send it in several smaller requests."
    )


def media_type_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the media type of the body, without its parameters, in lower case."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    return content_type.split(";", 1)[0].strip().lower()


def decode_body(operation: Operation, raw: bytes, media_type: str, max_depth: int) -> Any:
    """Decode and check a body against what the operation declares."""
    if not raw and operation.body_optional:
        return None
    media_type = YAML if media_type in _YAML_TYPES else media_type
    require_media_type(operation, media_type)
    if operation.body is bytes:
        return raw
    try:
        if media_type == YAML:
            value = msgspec.convert(_load_yaml(raw), operation.body)
        else:
            value = msgspec.json.decode(raw, type=operation.body)
    except msgspec.ValidationError as error:
        raise Invalid(f"The body is not as declared: {error}.", remedy=_see(operation)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not JSON: {error}.", remedy=_see(operation)) from error
    except RecursionError as error:
        raise _too_deep(max_depth) from error
    require_depth(value, max_depth)
    return value


def require_media_type(operation: Operation, media_type: str) -> None:
    """Raise `UnsupportedMediaType` for a body that the operation does not read."""
    if media_type not in operation.accepts:
        raise UnsupportedMediaType(
            f"The body is {media_type or 'of no stated type'}.",
            remedy=f"Send Content-Type: {' or '.join(operation.accepts)}.",
        )


def _see(operation: Operation) -> str:
    return f"See the request body of {operation.name} in /api/v1/openapi.json."


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: a few lines of those grow to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise Malformed("YAML aliases are not read.", remedy="Write the value out.")
        return super().compose_node(parent, index)


# Moments and such stay the text they were written as: a document means the same in JSON.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _load_yaml(raw: bytes) -> Any:
    try:
        return yaml.load(raw, Loader=_PlainLoader)  # noqa: S506  a SafeLoader, narrowed
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise Malformed(f"The body is not YAML{where}: {problem}.") from error
    except (ValueError, RecursionError) as error:
        raise Malformed("The body is not YAML that can be read.") from error


def require_depth(value: Any, limit: int) -> None:
    """Raise `Invalid` for a document nested deeper than `limit`."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        deeper: list[Any] = []
        for item in level:
            if type(item) is dict:
                deeper.extend(item.values())
            elif type(item) in (list, tuple):
                deeper.extend(item)
            elif isinstance(item, Struct):
                deeper.extend(getattr(item, name) for name in item.__struct_fields__)
        if not deeper:
            return
        level = deeper
    raise _too_deep(limit)


def _too_deep(limit: int) -> Invalid:
    return Invalid(
        f"The document is nested deeper than {limit} levels.", remedy="Flatten the document."
    )


def decode_query(operation: Operation, query_string: bytes) -> Any:
    """Decode and check the query string; an unknown parameter is refused, not ignored."""
    if operation.query is None:
        if query_string:
            raise Invalid(
                f"The operation {operation.name} takes no query parameters.",
                remedy="Leave the part behind the question mark out.",
            )
        return None
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query_string),
            errors="strict",
            max_num_fields=64,
        )
        values = _gather(operation.query_lists, pairs)
        query = msgspec.convert(values, operation.query, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"The query is not as declared: {error}.") from error
    except ValueError as error:
        raise Malformed("The query string cannot be read.") from error
    kind = operation.query
    fields = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    if nulls := [name for name in values if getattr(query, fields[name]) is None]:
        raise Invalid(
            f"The parameter {nulls[0]} cannot be null.", remedy="Leave it out to ask for all."
        )
    return query


def _gather(lists: frozenset[str], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name in lists:
            values.setdefault(name, []).extend(text.split(","))
        elif name in values:
            raise Invalid(f"The parameter {name} is there twice.", remedy="Send it once.")
        else:
            values[name] = text
    return values


def version_of(headers: Mapping[bytes, bytes], mode: str) -> int | None:
    """Return the version that If-Match names; None where it names any, or there is none."""
    header = headers.get(b"if-match")
    if header is None:
        if mode == "required":
            raise VersionRequired(
                "This write needs to name the version that it read.",
                remedy='Send If-Match with the ETag that was read, as "3"; or * to write over any.',
            )
        return None
    text = header.decode("latin-1").strip()
    if text == "*":
        return None
    match = _ETAG.fullmatch(text)
    if match is None:
        raise Malformed(
            "If-Match holds no ETag of ours.", remedy='Send the ETag as it was answered, as "3".'
        )
    return int(match[1])


def choose_media_type(operation: Operation, accept: bytes | None) -> str:
    """Return the media type of the answer that the caller likes best (RFC 9110, 12.5.1)."""
    offered = operation.produces
    if accept is None or accept == b"*/*" or accept.decode("latin-1") == offered[0]:
        return offered[0]
    ranges = _ranges(accept.decode("latin-1"))
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0 and operation.result is not None:
        raise NotAcceptable(
            f"The answer of {operation.name} comes as {' or '.join(offered)}.",
            remedy="Ask for one of these in Accept.",
        )
    return best


def _ranges(accept: str) -> list[tuple[str, float]]:
    ranges: list[tuple[str, float]] = []
    for part in accept.split(",")[:32]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.lower().startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        ranges.append((name.lower(), quality))
    return ranges


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    family = media_type.split("/", 1)[0] + "/*"
    by_name = dict(ranges)
    for name in (media_type, family, "*/*"):
        if name in by_name:
            return by_name[name]
    return 0.0
