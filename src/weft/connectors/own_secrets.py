"""Secrets of a tenant's own connectors: sealed for one connector, and opened for it alone.

What its settings name is looked for among the secrets of that connector and nowhere else:
a reference to a file, a variable or a secret of the platform is refused, whoever wrote it,
for it would read the operator's machine.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from weft.connectors.credentials import Credentials
from weft.errors import ConnectorError, Damaged, NotFound
from weft.model.ids import TenantId
from weft.security.secrets import Vault

SEALED_AS = "own_connector"


class SealedSecret(Struct, frozen=True):
    """A secret that only the vault opens, and who set it when (ns UTC)."""

    sealed: str
    set_at: int
    set_by: str


class OwnCredentials(Credentials):
    """Opens the secrets of one connector; `open_secret` returns one by its name, or None."""

    def __init__(self, open_secret: Callable[[str], str | None]) -> None:
        super().__init__()
        self._open = open_secret

    async def get(self, reference: str) -> str:
        """Return the secret, or raise a `ConnectorError` that is tried again."""
        scheme, _, name = reference.partition(":")
        if scheme != "sealed":
            raise ConnectorError(
                f"A connector of a tenant's own reads no {scheme}: of this machine.",
                permanent=True,
                remedy="Give the secret itself; it is sealed and never shown again.",
            )
        text = (self._open(name) or "").strip()
        if not text:
            raise ConnectorError(
                f"The secret {name!r} of this connector is not set.",
                remedy="Set it: weft connector set, or on the connector's page.",
            )
        return text


def seal(vault: Vault, place: tuple[TenantId, str], name: str, plain: str) -> str:
    """Seal a secret for a connector (its tenant and its uid) under a name."""
    tenant, uid = place
    return vault.seal(tenant, SEALED_AS, f"{uid}/{name}", plain.encode())


def opening(
    vault: Vault, place: tuple[TenantId, str], sealed: Mapping[str, SealedSecret]
) -> Callable[[str], str | None]:
    """Return what opens these secrets of a connector."""
    tenant, uid = place

    def open_secret(name: str) -> str | None:
        found = sealed.get(name)
        if found is None:
            return None
        try:
            return vault.unseal(tenant, SEALED_AS, f"{uid}/{name}", found.sealed).decode()
        except (Damaged, NotFound) as error:
            raise ConnectorError(error.detail, remedy=error.remedy) from error

    return open_secret
