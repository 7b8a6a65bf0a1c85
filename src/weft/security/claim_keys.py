"""Claim keys: what a device without an identity shakes hands with over DTLS (PR-1).

The name is the claim's id; of a group, the claim's id, a colon and the device's serial. The
key is derived from the claim's token, or from the serial's own key, and is as long as small
stacks take. Whoever holds it is a visitor: no principal, with leave to ask for an identity
and for nothing else, for as long as the claim is in force at its address.
"""

from typing import Final, Protocol

from msgspec import Struct

from weft.model.ids import TenantId

IDENTITY_MAX_BYTES: Final = 128  # what every stack can send (RFC 4279 5.3)
SEPARATOR: Final = ":"  # in no id of a claim


class Visit(Struct, frozen=True):
    """Leave to provision, as a handshake has proven it."""

    tenant: TenantId
    claim_id: str
    serial: str = ""  # the one that it is good for; any where empty
    device_id: str = ""  # what that one is called

    @property
    def origin(self) -> str:
        """The claim's own name in the log of attempts."""
        return f"claim:{self.claim_id}"


class ClaimKey(Struct, frozen=True):
    """The key that goes with the name of a claim; empty where `lacks` says why there is none."""

    key: bytes
    visit: Visit
    lacks: str = ""

    def __repr__(self) -> str:
        return f"ClaimKey({self.visit.claim_id}, withheld)"


class ClaimKeysProving(Protocol):
    """Finds the keys of claims, and says whether a claim is in force."""

    def find_key(self, identity: str) -> ClaimKey | None:
        """Return the key of a claim's name, in force or not; None for a name of no claim."""
        ...

    def why_closed(self, visit: Visit, address: str) -> str:
        """Say why a visit from an address is over, or may not begin; empty while it may go on."""
        ...


class NoClaims:
    """Where nobody provisions himself."""

    def find_key(self, _identity: str) -> None:
        """No name is a claim's."""

    def why_closed(self, _visit: Visit, _address: str) -> str:
        """Nothing is open."""
        return "there are no claims"


def identity_of(claim_id: str, serial: str = "") -> str:
    """Return the name that a device sends: for a group, with its serial."""
    return f"{claim_id}{SEPARATOR}{serial}" if serial else claim_id


__all__ = ["IDENTITY_MAX_BYTES", "ClaimKey", "ClaimKeysProving", "NoClaims", "Visit", "identity_of"]
