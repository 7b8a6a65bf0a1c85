"""What tests of tenants' own connectors are made with: the service, over a plant of tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from msgspec import Struct, field
from tests.connectors.support import ALICE, MAIN, OTHER, Plant

from weft.connectors.own import OwnConnectors, OwnGiven, SavedConnector
from weft.connectors.own_settings import OwnSettings
from weft.errors import ConnectorError
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Records
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.security.secrets import MasterKey, Vault

BOB = Principal(OTHER, PrincipalKind.USER, "bob", "u-2")
KEY = "s3cret-key-of-the-far-side-0123456789"
HOOK = {"url": "https://alerts.example.com/weft"}


async def no_names(host: str, _port: int) -> Sequence[str]:
    """Resolve nothing: a fuzzer's address, however public, is never asked."""
    raise ConnectorError(f"{host} is not looked up here.")


def loopback_alone() -> OutboundClient:
    """Return a guarded client that reaches this machine, by its number, and nothing else."""
    settings = OutboundSettings(allow=("127.0.0.1/32",), ports=(), timeout_s=1.0)
    return OutboundClient(settings, resolve=no_names)


class Order(Struct, frozen=True):
    """How a connector is to be."""

    kind: str = "webhook"
    settings: dict[str, Any] = field(default_factory=lambda: dict(HOOK))
    secrets: dict[str, str | None] = field(default_factory=lambda: {"secret": KEY})


class Owned:
    """A plant without configured connectors, in which tenants set up their own."""

    def __init__(
        self,
        *connectors: Any,
        settings: OwnSettings | None = None,
        records: Records | None = None,
        folder: Path | None = None,
        outbound: OutboundClient | None = None,
    ) -> None:
        self.folder = folder or Path(mkdtemp())
        self.plant = Plant(*connectors, records=records)
        if not connectors:
            self.plant.connectors._configured.clear()
        self.records = self.plant.records
        self.vault = Vault(MasterKey.open(self.folder), self.records)
        self.connectors = self.plant.connectors
        kept = (self.records, self.plant.audit, self.plant.clock, self.vault, self.connectors)
        self.settings = settings
        self.own = OwnConnectors(OwnGiven(*kept, outbound or loopback_alone()), settings)

    async def restarted(self) -> "Owned":
        """Return another one over the same records and keys, as after a restart."""
        again = Owned(settings=self.settings, records=self.records, folder=self.folder)
        await again.vault.load()
        await again.own.load()
        return again

    async def save(
        self,
        name: str = "alerts",
        order: Order | None = None,
        *,
        actor: Principal = ALICE,
        version: int | None = None,
    ) -> SavedConnector:
        """Set one up."""
        return await self.own.save(actor, name, order or Order(), version=version)


def order_of(kind: str, url: str, settings: Mapping[str, Any], reference: str) -> Order:
    """Return settings of the configuration file as a tenant gives them."""
    secrets: dict[str, str | None] = {}

    def without(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in table.items():
            if value == reference:
                secrets[before + name] = KEY
            else:
                kept[name] = (
                    without(value, f"{before}{name}.") if isinstance(value, Mapping) else value
                )
        return kept

    plain = without({name: one for name, one in settings.items() if name != "kind"})
    return Order(kind, {**plain, "url": url}, secrets)


__all__ = ["ALICE", "BOB", "HOOK", "KEY", "MAIN", "OTHER", "Order", "Owned", "loopback_alone"]
