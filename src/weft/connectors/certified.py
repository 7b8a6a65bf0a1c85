"""Client certificates: a connector proves itself by one on each connection (mutual TLS).

Certificate and key are references like any secret. They are read at each request, and a
client is made anew when they have changed: a certificate is renewed without a restart.
"""

import asyncio
from collections.abc import Mapping

from msgspec import Struct

from weft.connectors.credentials import Credentials, Reference, require_reference
from weft.security.outbound import Answer, OutboundClient


class ClientCertificate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`client_certificate = {certificate = …, key = …}`: PEM, as references."""

    certificate: Reference  # with the chain that the far side needs
    key: Reference  # without a passphrase; sealed:NAME keeps it off the disk


class CertifiedClient:
    """The guarded client, with a certificate of its own."""

    def __init__(
        self,
        outbound: OutboundClient,
        certificate: ClientCertificate,
        credentials: Credentials,
        setting: str,
    ) -> None:
        self._plain = outbound
        self._credentials = credentials
        self._references = (
            require_reference(certificate.certificate, f"{setting} client_certificate.certificate"),
            require_reference(certificate.key, f"{setting} client_certificate.key"),
        )
        self._pair: tuple[str, str] | None = None
        self._client: OutboundClient | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request with the certificate that is valid now."""
        client = await self._current()
        return await client.request(method, url, headers=headers, body=body, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
        await self._plain.close()

    async def _current(self) -> OutboundClient:
        certificate, key = self._references
        pair = (await self._credentials.get(certificate), await self._credentials.get(key))
        if self._client is None or pair != self._pair:
            # The old client keeps no connection (see `outbound`), so it needs no closing.
            self._client = await asyncio.to_thread(self._plain.presenting, *pair)
            self._pair = pair
        return self._client
