"""AWS IoT: the classic device shadow's topics. The thing is the device of the same name.

    $aws/things/{thing}/shadow/update               up, answered by /accepted or /rejected
    $aws/things/{thing}/shadow/get, .../delete      up, answered likewise
    $aws/things/{thing}/shadow/update/delta         down, what is desired and not reported
    $aws/things/{thing}/shadow/update/documents     down, the shadow before and after

A shadow is the twin: its `reported` and `desired` are ours, `version` is the twin's. An
update that only reports, and names no version, is an ordinary report; everything else is
an act, done where the twin is (`aws_shadow_answers`). Named shadows and jobs are refused.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from weft.errors import Invalid, PayloadInvalid, PeerError, QuotaExceeded
from weft.ingest.dialects.dialect import Said, Speaker, asked, private_topic
from weft.model.twin import Properties

NAME: Final = "aws"
PREFIX: Final = "$aws/"
VERBS: Final = ("update", "get", "delete")
TOKEN_MAX_CHARACTERS: Final = 64  # as AWS has it
FORMS: Final = "$aws/things/{thing}/shadow/update, .../shadow/get, .../shadow/delete"


class ShadowState(Struct, frozen=True, forbid_unknown_fields=True):
    """The two sides of an update; null clears a side."""

    reported: Properties | UnsetType | None = UNSET
    desired: Properties | UnsetType | None = UNSET


class ShadowRequest(Struct, frozen=True):
    """What a device sends to update, get and delete. Other members are AWS's to ignore."""

    state: ShadowState | UnsetType = UNSET
    client_token: str | UnsetType = msgspec.field(name="clientToken", default=UNSET)
    version: int | UnsetType = UNSET


_decode = msgspec.json.Decoder(ShadowRequest).decode


def read_request(payload: bytes) -> ShadowRequest:
    """Read a request's document; an empty payload is an empty one."""
    if not payload:
        return ShadowRequest()
    try:
        request = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(
            f"The shadow document cannot be read: {error}.",
            remedy='Send {"state": {"reported": {...}}}, with clientToken and version if you like.',
        ) from None
    if request.client_token is not UNSET and len(request.client_token) > TOKEN_MAX_CHARACTERS:
        raise PayloadInvalid(
            f"clientToken is longer than {TOKEN_MAX_CHARACTERS} characters.",
            remedy="Send a shorter one.",
        )
    return request


class AwsShadow:
    """The table."""

    name = NAME
    prefixes = (PREFIX,)

    def __init__(self) -> None:
        self._has_room: Callable[[], bool] = lambda: True

    def has_room_by(self, has_room: Callable[[], bool]) -> None:
        """Ask before another act is taken in: what is taken in is done."""
        self._has_room = has_room

    def read(self, _speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put a shadow request into native words."""
        match topic.split("/"):
            case ["$aws", "things", thing, "shadow", verb] if thing and verb in VERBS:
                return self._read(thing, verb, payload)
            case ["$aws", "things", _, "shadow", "name", *_]:
                raise Invalid(
                    "Named shadows are not kept: a device has one twin.",
                    remedy="Use the classic shadow, $aws/things/{thing}/shadow/update.",
                )
            case _:
                raise Invalid(
                    f"{topic!r} is no topic of a shadow.", remedy=f"Publish to one of: {FORMS}."
                )

    def _read(self, thing: str, verb: str, payload: bytes) -> Sequence[Said]:
        question = asked(NAME, verb, payload, thing)
        request = read_request(payload)
        reported = _only_reported(request) if verb == "update" else None
        if reported is None:
            if verb != "get" and not self._has_room():
                raise QuotaExceeded(
                    "Too many updates wait to be done just now.",
                    remedy="Send it again in a few seconds.",
                )
            return [question]
        report = Said(f"devices/{thing}/properties/reported", msgspec.json.encode(reported))
        return [report, question]

    def native_filter(self, text: str, _device_id: str) -> str | None:
        """Return the private topics of the thing; its owner's rights decide."""
        match text.split("/", 4):
            case ["$aws", "things", thing, "shadow", rest] if thing and rest:
                return private_topic(thing, NAME, rest)
            case _:
                return None

    def own_topic(self, topic: str, _device_id: str) -> str | None:
        """Return the shadow topic of an answer."""
        match topic.split("/", 4):
            case ["devices", thing, "dialects", "aws", rest]:
                return f"$aws/things/{thing}/shadow/{rest}"
            case _:
                return None


def _only_reported(request: ShadowRequest) -> Properties | None:
    """Return what an update reports, if that is all that it does and under no condition."""
    state = request.state
    if state is UNSET or request.version is not UNSET or state.desired is not UNSET:
        return None
    return state.reported if isinstance(state.reported, dict) else None


def is_act(verb: str, payload: bytes) -> bool:
    """Whether a request was not put into native words, and is to be done by the answerer."""
    if verb != "update":
        return verb == "delete"
    try:
        return _only_reported(read_request(payload)) is None
    except PeerError:  # nothing that the table lets in
        return False


def removing(properties: dict[str, Any]) -> Properties:
    """Return a patch that removes every property."""
    return dict.fromkeys(properties)
