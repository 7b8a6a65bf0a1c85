"""Operations on Weft's own authority: how long all is good, and its root's key.

The root's key guards all devices, so it is for whoever holds the machine: who asks over the
network is refused, administrators as well.
"""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Conflict, Forbidden, NotFound
from weft.model.principal import PrincipalKind

Passphrase = Annotated[str, Meta(max_length=1024, extra_json_schema={"format": "password"})]
Sealed = Annotated[bytes, Meta(max_length=65_536, description="PKCS #12, in base64.")]


class AuthorityStateView(Struct, frozen=True):
    """Until when each certificate is good, and where the root's key is."""

    root_expires_at: Moment
    intermediate_expires_at: Moment
    server_expires_at: Moment
    root_key_here: bool
    warning: str
    ca_pem: str
    chain_pem: str


class RootExport(Struct, frozen=True, forbid_unknown_fields=True):
    """The passphrase that should seal the key."""

    passphrase: Passphrase


class SealedRoot(Struct, frozen=True):
    """The root's key, sealed."""

    key_pkcs12: bytes


class RootKey(Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed key with its passphrase; nothing, where the root's key is here."""

    key_pkcs12: Sealed = b""
    passphrase: Passphrase = ""


def _require_operator(call: Call) -> None:
    if call.principal.kind is not PrincipalKind.SYSTEM:
        raise Forbidden(
            "The root's key is handled at the machine itself.",
            remedy="There, as the owner of the data folder: weft ca --help",
        )


async def get_ca(services: Services, _call: Call) -> AuthorityStateView:
    """Answer how long all is good."""
    return _view(services)


async def export_root(services: Services, call: Call) -> SealedRoot:
    """Seal a copy of the root's key."""
    _require_operator(call)
    sealed = await asyncio.to_thread(services.authority.export_root, call.body.passphrase)
    await _note(services, call, "exported")
    return SealedRoot(sealed)


async def take_root_offline(services: Services, call: Call) -> AuthorityStateView:
    """Remove the root's key, once shown a copy that opens."""
    _require_operator(call)
    key: RootKey = call.body
    authority = services.authority
    await asyncio.to_thread(authority.require_root, key.key_pkcs12, key.passphrase)
    await _note(services, call, "taken offline")
    await asyncio.to_thread(authority.take_root_offline, key.key_pkcs12, key.passphrase)
    return _view(services)


async def renew_intermediate(services: Services, call: Call) -> AuthorityStateView:
    """Sign a new intermediate."""
    _require_operator(call)
    key: RootKey = call.body or RootKey()
    authority = services.authority
    if key.key_pkcs12:
        await asyncio.to_thread(authority.require_root, key.key_pkcs12, key.passphrase)
    await _note(services, call, "signs a new intermediate")
    await asyncio.to_thread(authority.renew_intermediate, key.key_pkcs12, key.passphrase)
    return _view(services)


async def _note(services: Services, call: Call, what: str) -> None:
    """Put it on record before it is done: the files are in no transaction of the records."""
    await services.records.write(
        lambda writer: services.audit.entry(
            writer, call.principal, "ca.manage", "ca:root", detail={"root": what}
        )
    )


def _view(services: Services) -> AuthorityStateView:
    state = services.authority.state()
    return AuthorityStateView(
        root_expires_at=moment(state.root_expires_at) or "",
        intermediate_expires_at=moment(state.intermediate_expires_at) or "",
        server_expires_at=moment(state.server_expires_at) or "",
        root_key_here=state.root_key_here,
        warning=state.warning,
        ca_pem=state.root_pem,
        chain_pem=state.chain_pem,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_ca",
        "GET",
        "/ca",
        "Show Weft's own certificate authority",
        get_ca,
        action="ca.read",
        tag="ca",
        result=AuthorityStateView,
        command=Command("ca", "show"),
    ),
    Operation(
        "export_root",
        "POST",
        "/ca/root/export",
        "Seal a copy of the root's key",
        export_root,
        action="ca.manage",
        description="At the machine only.",
        tag="ca",
        body=RootExport,
        result=SealedRoot,
        secret=True,
        errors=(NotFound,),
        example={"passphrase": "correct horse battery staple"},
    ),
    Operation(
        "take_root_offline",
        "POST",
        "/ca/root/offline",
        "Remove the root's key, once shown a copy that opens",
        take_root_offline,
        action="ca.manage",
        description="At the machine only. Everything goes on; a new intermediate needs the copy.",
        tag="ca",
        body=RootKey,
        result=AuthorityStateView,
    ),
    Operation(
        "renew_intermediate",
        "POST",
        "/ca/intermediate",
        "Sign a new intermediate with the root's key",
        renew_intermediate,
        action="ca.manage",
        description="At the machine only. Certificates of the one before stay good.",
        tag="ca",
        body=RootKey,
        body_optional=True,
        result=AuthorityStateView,
        errors=(Conflict,),
    ),
)
