"""Provisioning in ThingsBoard's words: a batch's claim in exchange for a device's token.

`provisionDeviceSecret` is the claim's token, `provisionDeviceKey` the claim's id and
`deviceName` the serial. Credentials are made here: one that the device brings along is
refused, because whoever chose it may have chosen it for others too. As over there, a refusal
is an answer as well, with a status.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from weft.errors import Invalid, PeerError, Unauthenticated
from weft.ingest.dialects.thingsboard.payloads import read_as
from weft.model.ids import NAME_MAX_CHARACTERS
from weft.registry.provision_documents import ProvisionRequest
from weft.registry.provisioning import Provisioning
from weft.security.authentication import REFUSED, REMEDY
from weft.security.machine_secrets import parse_secret

PAYLOAD_MAX_BYTES: Final = 8 * 1024
ACCESS_TOKEN: Final = "ACCESS_TOKEN"  # noqa: S105  a kind of credential, not one

_Text = Annotated[str, Meta(max_length=1_024)]


class Wanted(Struct, frozen=True):
    """What a device asks for. Other members are ThingsBoard's own."""

    key: Annotated[_Text, Meta(min_length=1)] = msgspec.field(name="provisionDeviceKey")
    secret: Annotated[_Text, Meta(min_length=1)] = msgspec.field(name="provisionDeviceSecret")
    name: Annotated[str, Meta(min_length=1, max_length=NAME_MAX_CHARACTERS)] = msgspec.field(
        name="deviceName"
    )
    kind: _Text | None = msgspec.field(name="credentialsType", default=None)
    gateway: bool = False


class Answered(Struct, frozen=True):
    """An answer, for a transport that tells its kind beside its words."""

    document: bytes
    has_identity: bool


class Provisioner:
    """Answers provisioning requests, over HTTP, MQTT or CoAP."""

    def __init__(self, provisioning: Provisioning) -> None:
        self._provisioning = provisioning

    def is_open(self) -> bool:
        """Whether there is anything to be had: a claim is in force."""
        return self._provisioning.is_open()

    async def answer(self, payload: bytes, peer: str) -> bytes:
        """Return the answer, which says why when it is a refusal."""
        return (await self.provision(payload, peer)).document

    async def provision(self, payload: bytes, peer: str) -> Answered:
        """Return the same, and whether there is an identity in it."""
        try:
            token = await self._provision(payload, peer)
        except Unauthenticated as error:
            return Answered(_answer("NOT_FOUND", errorMsg=_words(error)), has_identity=False)
        except PeerError as error:
            return Answered(_answer("FAILURE", errorMsg=_words(error)), has_identity=False)
        said = _answer("SUCCESS", credentialsType=ACCESS_TOKEN, credentialsValue=token)
        return Answered(said, has_identity=True)

    async def _provision(self, payload: bytes, peer: str) -> str:
        if len(payload) > PAYLOAD_MAX_BYTES:
            raise Invalid(f"A request has at most {PAYLOAD_MAX_BYTES} bytes.")
        wanted = read_as(payload, Wanted)
        if wanted.kind not in (None, ACCESS_TOKEN) or _brings_its_own(payload):
            raise Invalid(
                "A device does not choose its own credential here.",
                remedy="Ask without credentialsType, token, hash, username, password and clientId.",
            )
        claim = parse_secret(wanted.secret)
        if claim is None or claim.key_id != wanted.key:
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        attributes = {"gateway": True} if wanted.gateway else {}
        request = ProvisionRequest(wanted.name, attributes=attributes)
        made = await self._provisioning.provision(wanted.secret, request, peer)
        assert made.token is not None  # no signing request was sent
        return made.token


def _brings_its_own(payload: bytes) -> bool:
    said = msgspec.json.decode(payload, type=dict[str, Any])
    return any(said.get(name) for name in ("token", "hash", "username", "password", "clientId"))


def _words(error: PeerError) -> str:
    return f"{error.detail} {error.remedy}".strip()


def _answer(status: str, **members: str) -> bytes:
    return msgspec.json.encode({"status": status, **members})
