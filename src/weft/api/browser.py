"""Browsers: the cookie that signs a page in, and what keeps other pages from using it.

A browser sends the cookie with whatever page makes it ask, so the cookie alone is not enough:
the request has to come from a page of ours, as the browser itself says (Fetch metadata, or
Origin), and one that changes something carries the token that only such a page was told.
The cookie is bound to this host, is sent over TLS or on this machine alone, and is read by
no script (RFC 6265bis, 4.1.3.2).
"""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from weft.errors import Forbidden

COOKIE = "__Host-weft"
TOKEN_HEADER = b"x-weft-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # change nothing (RFC 9110, 9.2.1)

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"
_ELSEWHERE = "The request comes from a page of another origin."
_REMEDY = "Open the dashboard itself; other programs send Authorization: Bearer."


class ForeignPage(Forbidden):
    """A browser was made to ask by a page that is not ours, or without our token."""

    code = "foreign_page"


class Visit(NamedTuple):
    """What a browser sent with a request that its cookie signs in."""

    secret: str
    method: str
    headers: Mapping[bytes, bytes]

    def require_own(self, token: str) -> None:
        """Raise `ForeignPage` unless a page of ours asks; `token` is what it was told."""
        require_own_page(self.headers)
        if self.method in SAFE:
            return
        if not hmac.compare_digest(self.headers.get(TOKEN_HEADER, b""), token.encode()):
            raise ForeignPage(
                "The request does not carry the token of its session.",
                remedy="Load the page again; it asks /api/v1/sessions/browser for the token.",
            )


def find_visit(method: str, headers: Mapping[bytes, bytes]) -> Visit | None:
    """Return the visit that a cookie of ours makes, or None."""
    secret = secret_of(headers)
    return None if secret is None else Visit(secret, method, headers)


def secret_of(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the secret in our cookie (RFC 6265, 5.4), if there is one."""
    for part in headers.get(b"cookie", b"").split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE.encode() and value.isascii():
            return value.decode() or None
    return None


def require_own_page(headers: Mapping[bytes, bytes]) -> None:
    """Raise `ForeignPage` where the browser says that another origin's page asks.

    `none` is a person's own doing: an address typed, a bookmark.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in {b"same-origin", b"none"}:
        raise ForeignPage(_ELSEWHERE, remedy=_REMEDY)
    origin = headers.get(b"origin")
    if origin is not None:
        _, _, host = origin.partition(b"://")
        if not host or host.lower() != headers.get(b"host", b"").lower():
            raise ForeignPage(_ELSEWHERE, remedy=_REMEDY)


def keep_cookie(secret: str, life_s: int) -> tuple[bytes, bytes]:
    """Return the header that gives a browser its cookie."""
    return (b"set-cookie", f"{COOKIE}={secret}; Max-Age={life_s}; {_ATTRIBUTES}".encode())


def drop_cookie() -> tuple[bytes, bytes]:
    """Return the header that takes the cookie away."""
    return (b"set-cookie", f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}".encode())
