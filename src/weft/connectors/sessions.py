"""Sessions with an SAP gateway: its token against forged requests, and its cookies.

A write carries both. When SAP says that it has forgotten them (403, `X-CSRF-Token:
Required`), they are fetched once more; it says so before it does anything. Cookies go back
to where they came from alone, and only what a header can carry is kept of them.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from weft.connectors.base import Planned
from weft.connectors.calls import JSON, Calls
from weft.errors import ConnectorError
from weft.security.outbound import Answer

_TOKEN = "X-CSRF-Token"  # noqa: S105  the name of a header
_COOKIES_MAX = 20
_COOKIE = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100})=([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,4096})"
)


class Session:
    """A token and its cookies, kept until the far side wants others."""

    def __init__(self, calls: Calls, url: str) -> None:
        self._calls = calls
        self._url = url
        self._held: Mapping[str, str] | None = None
        self._beginning = asyncio.Lock()

    async def begin(self) -> Mapping[str, str]:
        """Fetch a token and cookies, and return the headers that carry them."""
        answer = await self._calls.ask_json(
            "GET", self._url, what="Fetch a CSRF token", headers={_TOKEN: "Fetch"}
        )
        token = answer.headers.get(_TOKEN.lower(), "")
        if not token or token.lower() in {"fetch", "required"} or not _carried(token):
            raise ConnectorError(
                "Fetch a CSRF token: the answer holds none.",
                remedy="Check the address, and that the user may use the service.",
            )
        cookies = [found for text in answer.cookies if (found := _COOKIE.match(text))]
        pairs = {found[1]: found[2] for found in cookies[:_COOKIES_MAX]}
        cookie = "; ".join(f"{name}={value}" for name, value in pairs.items())
        self._held = {_TOKEN: token, **({"Cookie": cookie} if cookie else {})}
        return self._held

    async def send(self, planned: Planned) -> Answer:
        """Send a planned write and return whatever status is answered."""
        answer = await self._once(planned)
        if answer.status == 403 and answer.headers.get(_TOKEN.lower(), "").lower() == "required":
            self._held = None
            answer = await self._once(planned)
        return answer

    async def write(
        self, method: str, url: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Write JSON and return whatever status is answered."""
        content = msgspec.json.encode(body)
        return await self.send(
            Planned(method, url, content, {"Content-Type": JSON, **(headers or {})})
        )

    async def _once(self, planned: Planned) -> Answer:
        async with self._beginning:
            held = self._held or await self.begin()
        return await self._calls.send(planned, held)


def _carried(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= 4096
