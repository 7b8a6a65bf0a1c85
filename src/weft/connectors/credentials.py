"""Credentials of connectors: settings name them and never hold them.

A reference is `file:/path`, `env:NAME` or `sealed:NAME`. It is read at each use, so that a
key is rotated by replacing the file or sealing a new value, without a restart. What it
refers to stands in no log line, no error and no answer.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from weft.errors import ConfigurationError, ConnectorError, Damaged, NotFound
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Kind, Records, Writer
from weft.security.audit import Audit
from weft.security.secrets import Vault

PLATFORM = TenantId("")
_BYTES_MAX = 16 * 1024

# A setting that is a reference. What is not marked so is no secret, and is shown.
Reference = Annotated[str, Meta(extra={"secret": True})]


class SealedCredential(Struct, frozen=True):
    """A credential that only the vault opens."""

    name: str
    sealed: str


CREDENTIALS: Kind[SealedCredential] = Kind("connector_credential", SealedCredential)


def require_reference(text: str, setting: str) -> str:
    """Return a reference to a credential, or raise `ConfigurationError`.

    The text is not repeated in the error: it may be the credential itself.
    """
    scheme, _, rest = text.partition(":")
    if scheme not in {"file", "env", "sealed"} or not rest:
        raise ConfigurationError(
            f"{setting} is not a reference to a secret.",
            remedy="Write file:/path/to/file, env:NAME or sealed:NAME; never the secret itself.",
        )
    return text


class Credentials:
    """Reads what references name. Without a vault, `sealed:` is not to be had."""

    def __init__(
        self,
        records: Records | None = None,
        vault: Vault | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._records = records
        self._vault = vault
        self._audit = audit

    async def get(self, reference: str) -> str:
        """Return the credential, or raise a `ConnectorError` that is tried again."""
        scheme, _, rest = reference.partition(":")
        if scheme == "env":
            text = os.environ.get(rest, "")
        elif scheme == "file":
            text = await asyncio.to_thread(_read, Path(rest))
        else:
            text = await self._unseal(rest)
        if not text.strip():
            raise ConnectorError(
                f"There is no secret at {scheme}:{rest}.",
                remedy="Put the key of the business system there; no restart is needed.",
            )
        return text.strip()

    async def put(self, actor: Principal, name: str, plain: str) -> None:
        """Seal a credential under a name, for `sealed:NAME`."""
        require_name(name, "credential name")
        if self._records is None or self._vault is None or self._audit is None:
            raise ConfigurationError(
                "Secrets cannot be sealed here.", remedy="Start weft with its data folder."
            )
        await self._vault.add_tenant(PLATFORM)
        sealed = self._vault.seal(PLATFORM, CREDENTIALS.name, name, plain.encode())
        audit = self._audit

        def work(writer: Writer) -> None:
            writer.put(CREDENTIALS, PLATFORM, name, SealedCredential(name, sealed))
            audit.entry(writer, actor, "connector.seal", f"credential:{name}")

        await self._records.write(work)

    async def _unseal(self, name: str) -> str:
        if self._records is None or self._vault is None:
            return ""
        found = await self._records.read(lambda r: r.find(CREDENTIALS, PLATFORM, name))
        if found is None:
            return ""
        try:
            plain = self._vault.unseal(PLATFORM, CREDENTIALS.name, name, found.value.sealed)
        except (Damaged, NotFound) as error:
            raise ConnectorError(error.detail, remedy=error.remedy) from error
        return plain.decode()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(
            f"The secret file {path} cannot be read ({type(error).__name__}).",
            remedy="Make it readable for weft's user, and for no other.",
        ) from error
