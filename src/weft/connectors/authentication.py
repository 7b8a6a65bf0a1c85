"""Authentication: how a connector proves itself to a business system.

Four ways: a key in a header, user and password, OAuth2 client credentials (RFC 6749, 4.4),
and a client certificate beside any of them (see `certified`). A token is kept until shortly
before it ends and fetched once more when the far side refuses it; two requests never fetch
it at the same time. The secret itself is read anew at each use, so it is rotated without a
restart, and stands in no error.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from msgspec import Struct

from weft.connectors.base import Tools
from weft.connectors.credentials import Reference, require_reference
from weft.errors import ConfigurationError, ConnectorError
from weft.model.moments import NS_PER_S

_TOKEN_CHARACTERS = 16 * 1024  # the largest tokens in use have about 4 KiB
_EARLY_S = 60.0  # a token that ends within this is not begun with
_SHORT_S = 10.0  # of a token that lives shorter than twice the above


class Basic(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="basic"
):
    """`auth = {kind = "basic", …}`: user and password (RFC 7617)."""

    user: str  # as the far side knows us
    password: Reference  # reference to the password of that user


class Key(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="key"
):
    """`auth = {kind = "key", …}`: a key in a header of every request."""

    key: Reference  # reference to the key that the far side gave out
    header: str = "Authorization"  # that carries the key
    prefix: str = "bearer "  # in front of the key; "" for a header of its own


class OAuth2(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="oauth2"
):
    """`auth = {kind = "oauth2", …}`: client credentials (RFC 6749, 4.4)."""

    token_url: str  # of the authorization server
    client_id: str  # as the authorization server knows us
    client_secret: Reference  # reference to the secret of that client
    scope: str = ""  # what is asked for, where the server wants to hear it
    parameters: dict[str, str] = {}  # what a server asks for beside these: audience, resource
    in_header: bool = False  # client id and secret as basic authentication (RFC 6749, 2.3.1)


Authentication = Basic | Key | OAuth2


class Proof(Protocol):
    """What is put into a request so that the far side lets us in."""

    async def headers(self) -> Mapping[str, str]:
        """Return the headers, fetching a token first where one is needed."""
        ...

    def refused(self) -> bool:
        """Take note of a 401; return whether asking once more may help."""
        ...


def proof_of(auth: Authentication | None, tools: Tools, setting: str, timeout_s: float) -> Proof:
    """Make the proof that settings ask for, or raise `ConfigurationError`."""
    match auth:
        case None:
            return _Nothing()
        case Basic():
            require_reference(auth.password, f"{setting} auth.password")
            if ":" in auth.user:
                raise ConfigurationError(
                    f"{setting} auth.user holds a colon.", remedy="Basic authentication has none."
                )
            return _BasicProof(auth, tools)
        case Key():
            require_reference(auth.key, f"{setting} auth.key")
            return _KeyProof(auth, tools)
        case OAuth2():
            require_reference(auth.client_secret, f"{setting} auth.client_secret")
            return Tokens(auth, tools, timeout_s)


class _Nothing:
    async def headers(self) -> Mapping[str, str]:
        return {}

    def refused(self) -> bool:
        return False


class _BasicProof:
    def __init__(self, auth: Basic, tools: Tools) -> None:
        self._auth, self._credentials = auth, tools.credentials

    async def headers(self) -> Mapping[str, str]:
        return basic(self._auth.user, await self._credentials.get(self._auth.password))

    def refused(self) -> bool:
        return False


class _KeyProof:
    def __init__(self, auth: Key, tools: Tools) -> None:
        self._auth, self._credentials = auth, tools.credentials

    async def headers(self) -> Mapping[str, str]:
        key = await self._credentials.get(self._auth.key)
        return {self._auth.header: f"{self._auth.prefix}{key}"}

    def refused(self) -> bool:
        return False


def basic(user: str, password: str) -> Mapping[str, str]:
    """Return the header of basic authentication."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


class _Granted(Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  the kind of the token, not one
    expires_in: float | None = None


class Tokens:
    """Keeps one access token; see the module."""

    def __init__(self, auth: OAuth2, tools: Tools, timeout_s: float) -> None:
        self._auth = auth
        self._tools = tools
        self._timeout_s = timeout_s
        self._token = ""
        self._until: int | None = None  # ns; None: until it is refused
        self._asking = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """Return the header with a token that has not ended."""
        async with self._asking:
            now = self._tools.clock.now()
            if not self._token or (self._until is not None and now >= self._until):
                await self._fetch(now)
            return {"Authorization": f"Bearer {self._token}"}

    def refused(self) -> bool:
        """Forget the token; the next request fetches another."""
        had = bool(self._token)
        self._token = ""
        return had

    async def _fetch(self, now: int) -> None:
        auth = self._auth
        secret = await self._tools.credentials.get(auth.client_secret)
        form = {"grant_type": "client_credentials", **auth.parameters}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if auth.scope:
            form["scope"] = auth.scope
        if auth.in_header:
            headers.update(basic(quote(auth.client_id, safe=""), quote(secret, safe="")))
        else:
            form |= {"client_id": auth.client_id, "client_secret": secret}
        answer = await self._tools.outbound.request(
            "POST",
            auth.token_url,
            headers=headers,
            body=urlencode(form).encode(),
            timeout_s=self._timeout_s,
        )
        if answer.status in {400, 401, 403}:
            raise ConnectorError(  # the client is refused, not the work order: tried again
                f"Fetch a token: the authorization server answered {answer.status}.",
                remedy="Check client id, secret and scope, and that the client credentials "
                "flow is on for this client.",
            )
        granted = answer.require_success("Fetch a token").decode(_Granted, "Fetch a token")
        token = granted.access_token
        fits = token.isascii() and token.isprintable() and 0 < len(token) <= _TOKEN_CHARACTERS
        if not fits or granted.token_type.lower() != "bearer":
            raise ConnectorError(
                "Fetch a token: the answer holds no bearer token that a header can carry.",
                remedy="Check token_url.",
            )
        self._token, self._until = token, _until(now, granted.expires_in)


def _until(now: int, expires_in: float | None) -> int | None:
    if expires_in is None or not 0 < expires_in < 10**9:
        return None
    early_s = _EARLY_S if expires_in >= 2 * _EARLY_S else min(_SHORT_S, expires_in / 2)
    return now + round((expires_in - early_s) * NS_PER_S)
