"""Who calls: from what a request carries to a proven principal.

A request carries a bearer token, a browser's cookie, or comes over TLS with a client
certificate. What it says about itself anywhere else (a header, the body) counts for nothing.
"""

from typing import NamedTuple

from weft.api.browser import Visit
from weft.api.operator import PREFIX, Operator
from weft.errors import Unauthenticated
from weft.model.principal import Principal, PrincipalKind
from weft.security.authentication import Authenticator, Proof
from weft.security.sessions import Sessions

OPERATOR_PREFIX = PREFIX + "/"


class Presented(NamedTuple):
    """What a request carried to prove who it is from."""

    token: str | None
    certificate: bytes | None  # DER, as TLS has verified it
    address: str
    visit: Visit | None = None  # a browser's cookie, and the page that made it ask


async def identify(
    authenticator: Authenticator, operator: Operator, sessions: Sessions, presented: Presented
) -> Proof:
    """Return who it is; a token that was sent counts, whatever else came with it."""
    token = presented.token
    if token is not None:
        if token.startswith(OPERATOR_PREFIX):
            return _operator(operator, token)
        return authenticator.prove_bearer(token, presented.address)
    visit = presented.visit
    if visit is not None:
        proof = authenticator.prove_browser(visit.secret, presented.address)
        visit.require_own(sessions.forgery_token(visit.secret))
        return proof
    if presented.certificate is not None:
        return await authenticator.prove_newcomer(presented.certificate, presented.address)
    raise Unauthenticated("No credential came with the request.")


def _operator(operator: Operator, token: str) -> Proof:
    found = operator.find_tenant(token)
    if found is None:
        raise Unauthenticated("The operator's token is not valid, or too old.")
    tenant, expires_at = found
    return Proof(Principal(tenant, PrincipalKind.SYSTEM, "cli", "operator"), "operator", expires_at)


def bearer_of(header: bytes | None) -> str | None:
    """Return the token of an Authorization header (RFC 6750, 2.1)."""
    if header is None or header[:7].lower() != b"bearer ":
        return None
    try:
        return header[7:].strip().decode("ascii") or None
    except UnicodeDecodeError:
        return None
