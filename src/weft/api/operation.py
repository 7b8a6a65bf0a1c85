"""Operations: what the API can do, each said once.

One table of these feeds the routes, the OpenAPI document and the command line, so that the
three cannot disagree. An operation names who may call it; one that does not, or that names
an action the policy has never heard of, keeps Weft from starting (AZ-1).
"""

import asyncio
import re
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, inspect

from weft.errors import ConfigurationError, WeftError
from weft.model.principal import Principal

if TYPE_CHECKING:
    from weft.api.services import Services

PREFIX = "/api/v1"
JSON = "application/json"
YAML = "application/yaml"

# Access without a decision of the policy; everything else names an action of the policy's.
PUBLIC = "public"  # no credential: sign-up, login, liveness
SIGNED_IN = "signed-in"  # any principal, and only about itself

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_PARAMETER = re.compile(r"\{(\w+)\}")


class Call(Struct, eq=False):
    """One request, authenticated, allowed, decoded and checked."""

    principal: Principal
    address: str
    request_id: str
    path: dict[str, str]
    query: Any = None  # the operation's query Struct
    body: Any = None  # the operation's body Struct, document or bytes
    if_match: int | None = None  # the version that the caller read
    accept: str = JSON  # the chosen media type of the answer
    headers: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    content_type: str = ""
    credential_id: str = ""
    expires_at: int | None = None  # when that credential runs out (ns)
    receive: Receive | None = None  # the body, where the operation reads it as it comes


class Reply(Struct, frozen=True):
    """An answer that is more than a value: a version, a media type, or a stream."""

    value: Any = None
    version: int | None = None  # answered as ETag
    content: bytes | None = None  # bytes as they are, with their media type
    media_type: str = JSON
    stream: AsyncGenerator[bytes, None] | None = None
    ended: asyncio.Event | None = None  # set when a stream must not go on, read or not
    headers: tuple[tuple[bytes, bytes], ...] = ()
    status: int | None = None  # where it differs from the operation's


Handler = Callable[["Services", Call], Awaitable[Any]]


@dataclass(frozen=True)
class Command:
    """How an operation looks at the command line: `weft GROUP NAME ARGUMENTS --options`."""

    group: str
    name: str
    arguments: tuple[str, ...] = ()  # body fields given by position, behind the path's
    columns: tuple[str, ...] = ()  # what a table for people shows
    file: bool = False  # the body is a document, read from a file or standard input
    confirm: str = ""  # asked before it destroys something, unless --yes
    renames: tuple[tuple[str, str], ...] = ()  # (field, option) where the option is shorter


@dataclass(frozen=True)
class Operation:
    """One thing that the API can do."""

    name: str  # verb_noun, the OpenAPI operationId
    method: str
    path: str  # below /api/v1, with {parameters}
    summary: str
    handler: Handler
    action: str  # of the policy, or PUBLIC, or SIGNED_IN
    target: str = "*"  # may hold path parameters: device:{device_id}
    description: str = ""
    tag: str = ""
    query: type[Struct] | None = None
    body: Any = None  # a type that msgspec decodes
    body_schema: Any = None  # a type that describes it, where the body is taken as bytes
    body_optional: bool = False
    streams: bool = False  # the body is of any length; the handler reads it as it comes
    body_max_bytes: int = 0  # where it may be larger than others ([api] max_body_bytes)
    accepts: tuple[str, ...] = (JSON,)  # request media types
    result: Any = None  # a type that msgspec encodes; None answers no content
    produces: tuple[str, ...] = (JSON,)  # answer media types, the first where none is asked for
    status: int = 200
    errors: tuple[type[WeftError], ...] = ()
    own_errors: tuple[int, ...] = ()  # statuses that it answers in its result's form as well
    if_match: str = ""  # "", "optional" or "required"
    etag: bool = False
    secret: bool = False  # the answer holds a secret shown once: it is not kept for repeats
    example: Any = None  # of the body
    command: Command | None = None
    parameters: tuple[str, ...] = field(init=False, default=())
    query_lists: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(_PARAMETER.findall(self.path)))
        object.__setattr__(self, "query_lists", _list_fields(self.query))

    @property
    def described_body(self) -> Any:
        """Return the type that describes the body."""
        return self.body_schema if self.body_schema is not None else self.body

    @property
    def full_path(self) -> str:
        """Return the path with its prefix."""
        return PREFIX + self.path

    @property
    def takes_key(self) -> bool:
        """Whether it is done once for one Idempotency-Key; a stream is not read twice to tell."""
        return self.method == "POST" and self.action != PUBLIC and not self.streams

    def target_of(self, path: dict[str, str]) -> str:
        """Return what the policy is asked about for these path parameters."""
        return self.target.format_map(path) if "{" in self.target else self.target


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON or built on it (RFC 6839, 3.1)."""
    return media_type == JSON or media_type.endswith("+json")


def _list_fields(query: type[Struct] | None) -> frozenset[str]:
    fields = inspect.type_info(query).fields if query is not None else ()  # type: ignore[attr-defined]  # a StructType, as a Struct was given
    return frozenset(field.encode_name for field in fields if _is_list(field.type))


def _is_list(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_list(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_is_list, kind.types))
    return isinstance(kind, inspect.VarTupleType | inspect.ListType)


def require_sound(operations: Sequence[Operation], actions: Iterable[str]) -> None:
    """Raise `ConfigurationError` for a table with which Weft must not start (AZ-1)."""
    known = frozenset(actions)
    names: set[str] = set()
    routes: set[tuple[str, str]] = set()
    for operation in operations:
        shape = (operation.method, _PARAMETER.sub("{}", operation.path))
        if operation.action not in known and operation.action not in (PUBLIC, SIGNED_IN):
            raise ConfigurationError(
                f"The operation {operation.name} names the action {operation.action!r}, "
                "which the policy does not know.",
                remedy="Name an action of weft.security.policy.ACTIONS.",
            )
        if operation.name in names or shape in routes:
            raise ConfigurationError(
                f"The operation {operation.name} is in the table twice, by name or by route.",
                remedy="Give each operation its own name and route.",
            )
        if unknown := set(_PARAMETER.findall(operation.target)) - set(operation.parameters):
            raise ConfigurationError(
                f"The target of {operation.name} names {sorted(unknown)}, not in its path.",
                remedy="Name path parameters only.",
            )
        names.add(operation.name)
        routes.add(shape)
