"""The table of ThingsBoard's MQTT topics, and what each means in native words.

    v1/devices/me/telemetry, v2/t                         telemetry
    v1/devices/me/attributes, v2/a                        up: reported, down: desired properties
    v1/devices/me/attributes/request/{id}, v2/a/req/{id}  answered on .../response/{id}
    v1/devices/me/rpc/request/{id}, v2/r/req/{id}         up: a question, down: a command
    v1/devices/me/rpc/response/{id}, v2/r/res/{id}        up: a command's result, down: the answer
    v1/gateway/...                                        the same for devices behind a gateway

A short topic with `/j` in it says JSON. What is only an answer away from being native, and
what goes down to the device, travels below `devices/{id}/dialects/thingsboard/`: there,
`down/` stands before a topic's own words, so that filters with wildcards are put into
native words, and deliveries back, without knowing what is asked.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from weft.errors import Invalid
from weft.ingest.dialects.dialect import Said, Speaker, asked, private_rest, private_topic
from weft.ingest.dialects.thingsboard.payloads import (
    Answered,
    Asked,
    Called,
    Connected,
    GatewayAsked,
    attributes_of,
    objects_by_device,
    read_as,
    require_device_name,
    require_method,
    require_request_id,
    result_of,
    telemetry_of,
)
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId, require_name

NAME: Final = "thingsboard"
DOWN: Final = "down/"
# What topics begin with, and the same below `down/`.
_FAMILIES: Final = (("v1/devices/me/", "me/"), ("v1/gateway/", "gateway/"), ("v2/", "v2/"))

# Forms of the same question; the answer goes out in the form of the question.
ME: Final = "me"
SHORT: Final = "v2"
SHORT_JSON: Final = "v2j"
FORMS: Final = (ME, SHORT, SHORT_JSON)
ATTRIBUTES_RESPONSE: Final = {
    ME: "down/me/attributes/response/",
    SHORT: "down/v2/a/res/",
    SHORT_JSON: "down/v2/a/res/j/",
}
RPC_RESPONSE: Final = {
    ME: "down/me/rpc/response/",
    SHORT: "down/v2/r/res/",
    SHORT_JSON: "down/v2/r/res/j/",
}
RPC_REQUEST: Final = {
    ME: "down/me/rpc/request/",
    SHORT: "down/v2/r/req/",
    SHORT_JSON: "down/v2/r/req/j/",
}
ATTRIBUTES: Final = {ME: "down/me/attributes", SHORT: "down/v2/a", SHORT_JSON: "down/v2/a/j"}
GATEWAY_ATTRIBUTES: Final = "down/gateway/attributes"
GATEWAY_ATTRIBUTES_RESPONSE: Final = "down/gateway/attributes/response"
# Behind it stand the child's id and the call's number, so that an acknowledgement tells both.
GATEWAY_RPC: Final = "down/gateway/rpc/"
ANSWERED: Final = frozenset({"getCurrentTime", "getServerTime", "getSessionLimits"})
_GATEWAY_RPC_TOPIC: Final = "v1/gateway/rpc"

_KNOWN = (
    "v1/devices/me/telemetry, attributes, attributes/request/{id}, rpc/request/{id} or "
    "rpc/response/{id}; v1/gateway/connect, disconnect, telemetry, attributes, "
    "attributes/request or rpc; v2/t, v2/a, v2/a/req/{id}, v2/r/req/{id} or v2/r/res/{id}"
)


FindCall = Callable[[TenantId, DeviceId, int], Command | None]


def _no_calls(_tenant: TenantId, _device_id: DeviceId, _number: int) -> None:
    return None


class ThingsBoard:
    """The dialect: the same for all devices; it asks whose command an answer's number is."""

    name = NAME
    prefixes = (
        "v1/devices/me/", "v1/gateway/", "v2/t", "v2/t/", "v2/a", "v2/a/", "v2/r/", "v2/fw/",
        "v2/sw/",
    )  # fmt: skip

    def __init__(self) -> None:
        self._find_call: FindCall = _no_calls

    def find_calls_with(self, find: FindCall) -> None:
        """Have `find(tenant, device, number)` return the open command of a call, or None."""
        self._find_call = find

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put a message into native words; raises what `Dialect.read` says."""
        match topic.split("/"):
            case ["v1", "devices", "me", *rest]:
                return self._of_device(speaker, (topic, rest), ME, payload)
            case ["v1", "gateway", "rpc"]:
                return [self._answered_by_gateway(speaker, payload)]
            case ["v1", "gateway", *rest]:
                return _of_gateway(speaker, topic, rest, payload)
            case ["v2", "fw" | "sw", *_]:
                raise Invalid(
                    "Firmware and software are not sent over this API.",
                    remedy="Fetch the update from where the shared attributes name it, over HTTP.",
                )
            case ["v2", *rest] if "p" in rest:
                raise Invalid(
                    f"{topic!r} is for Protocol Buffers, and their schema is not known here.",
                    remedy=f"Send JSON to {'/'.join(_as_json(topic.split('/')))!r}.",
                )
            case ["v2", *rest]:
                form = SHORT_JSON if "j" in rest else SHORT
                return self._of_device(speaker, (topic, _in_full(rest)), form, payload)
        raise _unknown(topic)

    def _of_device(
        self, speaker: Speaker, named: tuple[str, Sequence[str]], form: str, payload: bytes
    ) -> Sequence[Said]:
        topic, rest = named
        match rest:
            case ["rpc", "response", number]:
                device_id = speaker.device.device_id if speaker.device else DeviceId("")
                return [self._result(speaker, (device_id, "me"), number, payload)]
        return _of_device(topic, rest, form, payload)

    def _answered_by_gateway(self, speaker: Speaker, payload: bytes) -> Said:
        answer = read_as(payload, Answered)
        (child,) = speaker.child_ids([require_device_name(answer.device)])
        return self._result(speaker, (child, child), str(answer.id), bytes(answer.data))

    def _result(
        self, speaker: Speaker, device: tuple[DeviceId, str], number: str, payload: bytes
    ) -> Said:
        """Return the answer to a call as the result of its command.

        The answer to a call that is not open is a stray under its number: counted, as any.
        """
        device_id, written = device
        found = self._find_call(speaker.tenant, device_id, int(require_request_id(number)))
        request_id = number if found is None else found.request_id
        return Said(f"devices/{written}/commands/{request_id}/result", result_of(payload))

    def native_filter(self, text: str, device_id: str) -> str | None:
        """Return the private topics that a filter in these words means."""
        if text == _GATEWAY_RPC_TOPIC:
            return private_topic(device_id, NAME, f"{GATEWAY_RPC}+/+")
        if text == "v1/gateway/+":
            return private_topic(device_id, NAME, f"{DOWN}gateway/#")
        for prefix, family in _FAMILIES:
            if text.startswith(prefix):
                return private_topic(device_id, NAME, f"{DOWN}{family}{text[len(prefix) :]}")
        return None

    def own_topic(self, topic: str, device_id: str) -> str | None:
        """Return the topic that a private one stands for."""
        rest = private_rest(topic, device_id, NAME)
        if rest is None or not rest.startswith(DOWN):
            return None
        if rest.startswith(GATEWAY_RPC):
            return _GATEWAY_RPC_TOPIC
        words = rest[len(DOWN) :]
        for prefix, family in _FAMILIES:
            if words.startswith(family):
                return prefix + words[len(family) :]
        return None


def _of_device(topic: str, rest: Sequence[str], form: str, payload: bytes) -> Sequence[Said]:
    match rest:
        case ["telemetry"]:
            if payload.strip() == b"{}":  # over HTTP, clients try the connection with it
                return []
            return [Said("devices/me/telemetry", telemetry_of(payload))]
        case ["attributes"]:
            return [Said("devices/me/properties/reported", attributes_of(payload))]
        case ["attributes", "request", number]:
            read_as(payload or b"{}", Asked)
            return [asked(NAME, f"ask/{form}/{require_request_id(number)}", payload)]
        case ["rpc", "request", number]:
            called = read_as(payload, Called)
            require_method(called)
            question = asked(NAME, f"call/{form}/{require_request_id(number)}", payload)
            event = event_of(called)
            said = [] if event is None else [Said(f"devices/me/{event[0]}", event[1])]
            return [*said, question]
        case ["claim"]:
            raise _no_claiming()
    raise _unknown(topic)


def event_of(called: Called) -> tuple[str, bytes] | None:
    """Return the event that a call by a device is, as (topic behind its device, payload).

    None for what Weft answers itself, and for a method that is no name.
    """
    if called.method in ANSWERED:
        return None
    try:
        require_name(called.method, "method")
    except Invalid:  # whoever answers says so
        return None
    data = called.params if isinstance(called.params, dict) else {"params": called.params}
    return f"events/{called.method}", msgspec.json.encode(data)


def _in_full(rest: Sequence[str]) -> Sequence[str]:
    """Return a short topic's words at full length; ones that are none, unchanged."""
    match [word for word in rest if word != "j"]:
        case ["t"]:
            return ["telemetry"]
        case ["a"]:
            return ["attributes"]
        case ["a", "req", number]:
            return ["attributes", "request", number]
        case ["r", "req", number]:
            return ["rpc", "request", number]
        case ["r", "res", number]:
            return ["rpc", "response", number]
    return rest


def _as_json(words: Sequence[str]) -> Sequence[str]:
    return ["j" if word == "p" else word for word in words]


def _of_gateway(
    speaker: Speaker, topic: str, rest: Sequence[str], payload: bytes
) -> Sequence[Said]:
    match rest:
        case ["connect" | "disconnect" as act]:
            said = read_as(payload, Connected)
            name = require_device_name(said.device)
            (child,) = speaker.child_ids([name], [said.type])
            return [Said(private_topic(child, NAME, act), payload)]
        case ["telemetry"]:
            return _for_each(speaker, payload, "telemetry", telemetry_of)
        case ["attributes"]:
            return _for_each(speaker, payload, "properties/reported", attributes_of)
        case ["attributes", "request"]:
            question = read_as(payload, GatewayAsked)
            speaker.child_ids([require_device_name(question.device)])
            return [asked(NAME, "gateway-ask", payload)]
        case ["claim"]:
            raise _no_claiming()
    raise _unknown(topic)


def _for_each(
    speaker: Speaker, payload: bytes, what: str, into: Callable[[bytes], bytes]
) -> Sequence[Said]:
    said = objects_by_device(payload)
    children = speaker.child_ids(list(said))
    return [
        Said(f"devices/{child}/{what}", into(values))
        for child, values in zip(children, said.values(), strict=True)
    ]


def _unknown(topic: str) -> Invalid:
    return Invalid(
        f"{topic[:200]!r} is no topic of ThingsBoard's device API that is spoken here.",
        remedy=f"Publish to one of: {_KNOWN}.",
    )


def _no_claiming() -> Invalid:
    return Invalid(
        "A device does not offer itself for claiming here.",
        remedy="Its owner claims it, with the serial number and the code that came with it.",
    )
