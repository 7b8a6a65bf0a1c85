"""Operations that LoRaWAN network servers call: their webhooks.

The network server signs in with the secret of the device that stands for it here. A
delivery that was made before is known by the network's own id and stored once: within the
last ten thousand by memory, over a restart by the journal's window.
"""

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from weft.api.operation import SIGNED_IN, Call, Operation
from weft.api.services import Services
from weft.errors import Forbidden, Invalid, PayloadInvalid, QuotaExceeded, RateLimited, Unavailable
from weft.ingest.dialects.lorawan import CHIRPSTACK, TTS
from weft.ingest.submit import Message
from weft.model.principal import PrincipalKind
from weft.security.limits import LimitKind
from weft.security.policy import require

EVENT_MAX_CHARACTERS = 32


class ChirpStackQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What ChirpStack adds to the URL."""

    event: Annotated[str, Meta(max_length=EVENT_MAX_CHARACTERS, pattern="^[a-z_]+$")]


class Heard(Struct, frozen=True):
    """What became of a delivery."""

    position: int  # of its newest message in the journal; 0 where it held none
    repeated: bool = False  # it was there before, and nothing was stored


class _Ids(Struct, frozen=True):
    deduplication_id: str = msgspec.field(name="deduplicationId", default="")
    correlation_ids: list[str] = []
    uplink_message: msgspec.Raw = msgspec.Raw()

    @property
    def name(self) -> str:
        """What the network calls a delivery; empty where its ids are shared with others.

        What becomes of a downlink has the same correlation ids at each of its steps.
        """
        if self.deduplication_id or not bytes(self.uplink_message):
            return self.deduplication_id
        return "\x1f".join(sorted(self.correlation_ids))


async def hear_chirpstack(services: Services, call: Call) -> Heard:
    """Admit an event of ChirpStack's HTTP integration."""
    event = call.query.event
    return await _hear(services, call, CHIRPSTACK + event, event)


async def hear_tts(services: Services, call: Call) -> Heard:
    """Admit a message of a webhook of The Things Stack."""
    return await _hear(services, call, TTS, "")


async def _hear(services: Services, call: Call, topic: str, event: str) -> Heard:
    principal = call.principal
    if principal.kind is not PrincipalKind.DEVICE:
        raise Forbidden(
            f"{principal} is no device, and a network server speaks for its devices.",
            remedy="Add a device for the network server, with --adds-children, and use its secret.",
        )
    require(services.policy, principal, "telemetry.write", f"device:{principal.id}")
    for kind, amount in ((LimitKind.MESSAGES, 1), (LimitKind.BYTES, len(call.body))):
        wait_s = services.limiter.take(principal.tenant, principal, kind, amount)
        if wait_s > 0:
            raise RateLimited(f"{principal} sends too many {kind}.", retry_after_s=wait_s)
    delivery = _delivery_of(call.body, event)
    before = services.heard.find(principal.uid, delivery)
    if before is not None:
        return Heard(before, repeated=True)
    packet_id = 1 + int.from_bytes(delivery[:2], "big") % 65_535
    message = Message(topic, call.body, qos=1, dup=True, packet_id=packet_id)
    position = await services.ingest.send(
        principal, message, address=call.address, client_id="lorawan"
    )
    services.heard.add(principal.uid, delivery, position)
    return Heard(position)


def _delivery_of(body: bytes, event: str) -> bytes:
    """Return what is the same for a delivery that is made again."""
    try:
        ids = msgspec.json.decode(body, type=_Ids)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        ids = _Ids()  # the gate refuses it, and says why
    what = f"{event}\x1f{ids.name}".encode() if ids.name else body
    return hashlib.blake2b(what, digest_size=16).digest()


_ERRORS = (Forbidden, Invalid, PayloadInvalid, QuotaExceeded, Unavailable)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "hear_chirpstack",
        "POST",
        "/lorawan/chirpstack",
        "Take an event of ChirpStack's HTTP integration",
        hear_chirpstack,
        action=SIGNED_IN,
        description=(
            "ChirpStack v4, JSON. Give the integration this URL and a header Authorization: Bearer "
            "with the secret of the device that stands for the network server. Its devices are "
            "that device's children, called by their DevEUI."
        ),
        tag="ingest",
        query=ChirpStackQuery,
        body=bytes,
        body_schema=dict[str, Any],
        result=Heard,
        errors=_ERRORS,
        example={"deduplicationId": "3ac7e3c4", "deviceInfo": {"devEui": "0101010101010101"}},
    ),
    Operation(
        "hear_tts",
        "POST",
        "/lorawan/tts",
        "Take a message of The Things Stack's webhooks",
        hear_tts,
        action=SIGNED_IN,
        description=(
            "The Things Stack v3, JSON. Give the webhook this base URL, no path for a message, and "
            "a header Authorization: Bearer, as for ChirpStack."
        ),
        tag="ingest",
        body=bytes,
        body_schema=dict[str, Any],
        result=Heard,
        errors=_ERRORS,
        example={"end_device_ids": {"dev_eui": "0101010101010101"}, "correlation_ids": ["a"]},
    ),
)
