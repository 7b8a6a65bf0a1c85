"""Calls: requests to one business system, with its proof, its time-out and one renewal.

A 401 with a token that may have ended is asked once more with a new one: it says that
nothing was done. Everything else goes back to the connector as it is.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from weft.connectors.authentication import Proof
from weft.connectors.base import Planned, Tools
from weft.errors import ConnectorError
from weft.security.outbound import Answer

JSON = "application/json"


class Calls:
    """Sends a connector's requests."""

    def __init__(self, tools: Tools, proof: Proof, timeout_s: float) -> None:
        self._outbound = tools.outbound
        self._proof = proof
        self._timeout_s = timeout_s

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and return whatever status is answered."""
        answer = await self._once(method, url, headers, body)
        if answer.status == 401 and self._proof.refused():
            answer = await self._once(method, url, headers, body)
        return answer

    async def send(self, planned: Planned, headers: Mapping[str, str] | None = None) -> Answer:
        """Send what was planned, with further headers; return whatever status is answered."""
        headers = {**planned.headers, **(headers or {})}
        return await self.ask(planned.method, planned.url, headers=headers, body=planned.body)

    async def ask_json(
        self,
        method: str,
        url: str,
        *,
        what: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
    ) -> Answer:
        """Send JSON and return the answer if it says success, else raise `ConnectorError`."""
        body = None if json is None else msgspec.json.encode(json)
        kind = {} if json is None else {"Content-Type": JSON}
        answer = await self.ask(method, url, headers={**kind, **(headers or {})}, body=body)
        return answer.require_success(what)

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Answer:
        proof = await self._proof.headers()
        return await self._outbound.request(
            method, url, headers={**(headers or {}), **proof}, body=body, timeout_s=self._timeout_s
        )


def query_of(pairs: Mapping[str, str]) -> str:
    """Return a query with every space as %20: OData and SOQL servers do not all read `+`."""
    return "&".join(
        f"{quote(name, safe='$')}={quote(text, safe='')}" for name, text in pairs.items()
    )


def after_settling(error: ConnectorError, settle_s: float) -> ConnectorError:
    """Return the error of a request to create whose end is unknown, put off far enough.

    The record may still be on its way into the far side's database; a look-up too early
    would not see it and make a second one.
    """
    if error.permanent:
        return error
    wait_s = max(error.retry_after_s or 0.0, settle_s)
    return ConnectorError(error.detail, retry_after_s=wait_s, remedy=error.remedy)
