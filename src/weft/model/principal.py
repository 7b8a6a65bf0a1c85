"""Principals: who acts. Made by authentication only, never from what a message says."""

from enum import StrEnum
from hashlib import blake2b

from msgspec import Struct

from weft.model.ids import TenantId


class PrincipalKind(StrEnum):
    """What kind of actor a principal is."""

    DEVICE = "device"
    USER = "user"
    KEY = "key"  # a service key of a business system
    RULE = "rule"  # who the audit names; its owner is asked for the rights
    SYSTEM = "system"  # weft itself, and the operator at the machine's own command line


class Principal(Struct, frozen=True):
    """An authenticated actor in exactly one tenant.

    `id` is what people call it (a device id, user id or key id); `uid` is never used
    again after a delete, so what was bound to a deleted namesake stays dead (ID-1).
    """

    tenant: TenantId
    kind: PrincipalKind
    id: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def client_key(principal: Principal, client_id: str) -> str:
    """Return a short name for one client of a principal, the same at every connection (MQ-2)."""
    text = f"{principal.tenant}\x1f{principal.uid}\x1f{client_id}"
    return blake2b(text.encode(), digest_size=9).hexdigest()
