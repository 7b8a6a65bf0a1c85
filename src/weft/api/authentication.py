"""Who calls: from what a request carries to a proven principal.

A request carries a bearer token or comes over TLS with a client certificate. What it says
about itself anywhere else (a header, the body) counts for nothing.
"""

from typing import NamedTuple

from weft.errors import Unauthenticated
from weft.security.authentication import Authenticator, Proof


class Presented(NamedTuple):
    """What a request carried to prove who it is from."""

    token: str | None
    certificate: bytes | None  # DER, as TLS has verified it
    address: str


def identify(authenticator: Authenticator, presented: Presented) -> Proof:
    """Return who it is; a token that was sent counts, whatever else came with it."""
    if presented.token is not None:
        return authenticator.prove_bearer(presented.token, presented.address)
    if presented.certificate is not None:
        return authenticator.prove_certificate(presented.certificate, presented.address)
    raise Unauthenticated("No credential came with the request.")


def bearer_of(header: bytes | None) -> str | None:
    """Return the token of an Authorization header (RFC 6750, 2.1)."""
    if header is None or header[:7].lower() != b"bearer ":
        return None
    try:
        return header[7:].strip().decode("ascii") or None
    except UnicodeDecodeError:
        return None
