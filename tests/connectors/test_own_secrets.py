"""Secrets of a tenant's own connectors: opened for one connector, and read from nowhere else."""

from pathlib import Path

import pytest
from tests.connectors.support import MAIN, OTHER

from weft.backends.memory.records import MemoryRecords
from weft.connectors.own_secrets import OwnCredentials, SealedSecret, opening, seal
from weft.errors import ConnectorError
from weft.security.secrets import MasterKey, Vault


async def test_a_secret_opens_at_its_place_alone(tmp_path: Path) -> None:
    """Not for another tenant, connector or setting."""
    vault = Vault(MasterKey.open(tmp_path), MemoryRecords())
    for tenant in (MAIN, OTHER):
        await vault.add_tenant(tenant)
    one = SealedSecret(seal(vault, (MAIN, "uid-1"), "key", "s3cret"), 0, "alice")
    assert await OwnCredentials(opening(vault, (MAIN, "uid-1"), {"key": one})).get(
        "sealed:key"
    ) == ("s3cret")
    for place, name in (
        ((OTHER, "uid-1"), "key"),
        ((MAIN, "uid-2"), "key"),
        ((MAIN, "uid-1"), "x"),
    ):
        with pytest.raises(ConnectorError, match=r"does not open|no data key"):
            await OwnCredentials(opening(vault, place, {name: one})).get(f"sealed:{name}")


@pytest.mark.parametrize("reference", ["file:/etc/hostname", "env:HOME", "http://x", ""])
async def test_nothing_but_a_secret_of_its_own_is_read(reference: str) -> None:
    """Whatever wrote the reference, a kind of another package or a hand in the records."""
    kept = OwnCredentials({"key": "k"}.get)
    with pytest.raises(ConnectorError, match="reads no"):
        await kept.get(reference)
    with pytest.raises(ConnectorError, match="'other' of this connector is not set"):
        await kept.get("sealed:other")
    assert await kept.get("sealed:key") == "k"
