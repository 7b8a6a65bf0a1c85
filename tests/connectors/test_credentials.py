"""Credentials: named in settings, read at each use, shown nowhere."""

from pathlib import Path

import pytest
from tests.connectors.support import ALICE, MAIN

from weft.backends.memory.records import MemoryRecords
from weft.connectors.credentials import (
    CREDENTIALS,
    PLATFORM,
    Credentials,
    SealedCredential,
    require_reference,
)
from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.security.audit import AUDIT, Audit
from weft.security.secrets import MasterKey, Vault
from weft.supervision import FakeClock


async def test_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    """A key is rotated by replacing the file; nobody restarts anything."""
    path = tmp_path / "key"
    path.write_text("first\n")
    credentials = Credentials()
    assert await credentials.get(f"file:{path}") == "first"
    path.write_text("second")
    assert await credentials.get(f"file:{path}") == "second"


async def test_an_environment_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers are given their secrets."""
    monkeypatch.setenv("ERP_KEY", "k")
    assert await Credentials().get("env:ERP_KEY") == "k"


@pytest.mark.parametrize("reference", ["file:/nonexistent", "env:WEFT_NONE", "sealed:none"])
async def test_a_secret_that_is_not_there_is_tried_again(reference: str) -> None:
    """It will be put there; until then the entry waits, with the reason."""
    with pytest.raises(ConnectorError) as caught:
        await Credentials().get(reference)
    assert not caught.value.permanent
    assert caught.value.remedy


async def test_a_file_that_is_no_text_is_a_connector_error(tmp_path: Path) -> None:
    """Somebody named the wrong file."""
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConnectorError, match="cannot be read"):
        await Credentials().get(f"file:{path}")


@pytest.mark.parametrize("text", ["bd2b547a", "plain:x", "file:", "", "https://x"])
def test_only_a_reference_may_stand_in_settings(text: str) -> None:
    """The refusal does not repeat the text: it may be the secret."""
    with pytest.raises(ConfigurationError) as caught:
        require_reference(text, "[connectors.erp] key")
    assert not text or text not in caught.value.detail


async def sealed(folder: Path) -> tuple[Credentials, MemoryRecords]:
    records = MemoryRecords()
    vault = Vault(MasterKey.open(folder), records)
    await vault.load()
    audit = Audit(records, FakeClock(), bytes(32))
    return Credentials(records, vault, audit), records


async def test_a_sealed_credential_opens_and_leaves_no_plain_text(tmp_path: Path) -> None:
    """It is stored sealed and audited by name; the database does not give it away (CR-1)."""
    credentials, records = await sealed(tmp_path)
    await credentials.put(ALICE, "erp", "canary-9f1c")
    assert await credentials.get("sealed:erp") == "canary-9f1c"
    stored = await records.read(lambda r: r.get(CREDENTIALS, PLATFORM, "erp"))
    audits = await records.read(lambda r: r.list(AUDIT, MAIN))
    assert [record.value.target for record in audits] == ["credential:erp"]
    assert "canary" not in f"{stored} {audits}"
    with pytest.raises(ConnectorError):
        await credentials.get("sealed:other")


async def test_a_sealed_credential_does_not_open_under_another_name(tmp_path: Path) -> None:
    """Copying one row over another gives nothing."""
    credentials, records = await sealed(tmp_path)
    await credentials.put(ALICE, "erp", "k")
    row = (await records.read(lambda r: r.get(CREDENTIALS, PLATFORM, "erp"))).value
    moved = SealedCredential("other", row.sealed)
    await records.write(lambda w: w.put(CREDENTIALS, PLATFORM, "other", moved))
    with pytest.raises(ConnectorError, match="does not open"):
        await credentials.get("sealed:other")


async def test_sealing_needs_a_vault_and_a_name(tmp_path: Path) -> None:
    """No silent storing in clear."""
    with pytest.raises(ConfigurationError):
        await Credentials().put(ALICE, "erp", "k")
    credentials, _ = await sealed(tmp_path)
    with pytest.raises(Invalid):
        await credentials.put(ALICE, "a/b", "k")
