import asyncio
import stat
from pathlib import Path

import pytest
from tests.security.support import MAIN, OTHER

from weft.backends.memory.records import MemoryRecords
from weft.errors import ConfigurationError, Damaged, NotFound
from weft.security.secrets import DATA_KEY, FILE_NAME, PLATFORM, PLATFORM_SECRET, MasterKey, Vault


async def make_vault(folder: Path, records: MemoryRecords | None = None) -> Vault:
    vault = Vault(MasterKey.open(folder), records or MemoryRecords())
    await vault.load()
    await vault.add_tenant(MAIN)
    return vault


def test_cr_1_the_master_key_is_made_at_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, 32 random bytes, the same at the next start."""
    first = MasterKey.open(tmp_path)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert MasterKey.open(tmp_path).current == first.current


def test_op_2_a_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Fail closed, and say what to do."""
    MasterKey.open(tmp_path)
    (tmp_path / FILE_NAME).chmod(0o644)
    with pytest.raises(ConfigurationError, match="Others may read"):
        MasterKey.open(tmp_path)


@pytest.mark.parametrize("text", ["", "x", "a b c", "id AAAA\n", "id !!!\n", "\0"])
def test_op_2_a_damaged_master_key_is_refused_not_replaced(tmp_path: Path, text: str) -> None:
    """A new key would lose all that was sealed with the old one."""
    path = tmp_path / FILE_NAME
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        MasterKey.open(tmp_path)


def test_op_2_a_link_in_place_of_the_master_key_is_not_followed(tmp_path: Path) -> None:
    """Somebody put a link there."""
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        MasterKey.open(tmp_path)


async def test_cr_1_what_was_sealed_opens_in_its_own_place_only(tmp_path: Path) -> None:
    """A row copied to another tenant, kind or record does not open; nor with a bit flipped."""
    vault = await make_vault(tmp_path)
    await vault.add_tenant(OTHER)
    sealed = vault.seal(MAIN, "connector", "erp", b"s3cret")

    assert vault.unseal(MAIN, "connector", "erp", sealed) == b"s3cret"
    for tenant, kind, record_id in (
        (OTHER, "connector", "erp"),
        (MAIN, "webhook", "erp"),
        (MAIN, "connector", "erq"),
    ):
        with pytest.raises(Damaged):
            vault.unseal(tenant, kind, record_id, sealed)
    version, _, body = sealed.partition(":")
    flipped = body[:20] + ("A" if body[20] != "A" else "B") + body[21:]
    for text in (f"{version}:{flipped}", f"{version}:{body[:8]}", f"{version}:!"):
        with pytest.raises(Damaged):
            vault.unseal(MAIN, "connector", "erp", text)


async def test_cr_1_no_secret_stands_in_the_records(tmp_path: Path) -> None:
    """A thousand planted secrets, and none is found in what would be on disk."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    planted = [f"canary-{n:04d}".encode() for n in range(1_000)]
    sealed = [vault.seal(MAIN, "connector", str(n), text) for n, text in enumerate(planted)]
    dump = "".join(sealed).encode() + b"".join(
        row.body for table in records._tables.values() for row in table.values()
    )
    assert not any(text in dump for text in planted)
    assert len(set(sealed)) == 1_000


async def test_sealing_twice_gives_two_texts(tmp_path: Path) -> None:
    """A fresh nonce each time: equal secrets are not seen to be equal."""
    vault = await make_vault(tmp_path)
    assert vault.seal(MAIN, "k", "i", b"x") != vault.seal(MAIN, "k", "i", b"x")


async def test_cr_3_after_a_master_key_rotation_everything_opens_and_the_old_key_is_useless(
    tmp_path: Path,
) -> None:
    """The key file was read by somebody: rotate, and what they have opens nothing."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    sealed = vault.seal(MAIN, "k", "i", b"x")
    named = await vault.secret("pepper")
    stolen = (tmp_path / FILE_NAME).read_text()

    await vault.rotate_master()

    again = await make_vault(tmp_path, records)
    assert again.unseal(MAIN, "k", "i", sealed) == b"x"
    assert await again.secret("pepper") == named
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 1
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    (tmp_path / FILE_NAME).write_text(stolen)
    with pytest.raises(Damaged, match="lacks"):
        await make_vault(tmp_path, records)


async def test_cr_3_an_interrupted_rotation_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """The process died between the new key and the rewrapping: both are in the file."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    sealed = vault.seal(MAIN, "k", "i", b"x")
    master = MasterKey.open(tmp_path)
    master.add()
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 2

    again = await make_vault(tmp_path, records)

    assert again.unseal(MAIN, "k", "i", sealed) == b"x"
    assert (tmp_path / FILE_NAME).read_text().split()[0] == master.current
    assert len((tmp_path / FILE_NAME).read_text().splitlines()) == 1


async def test_cr_3_an_erased_tenants_secrets_never_open_again(tmp_path: Path) -> None:
    """Crypto-erase: the rows may still lie in a backup, their key does not."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    sealed = vault.seal(MAIN, "k", "i", b"x")
    await vault.erase_tenant(MAIN)
    with pytest.raises(NotFound):
        vault.unseal(MAIN, "k", "i", sealed)
    with pytest.raises(NotFound):
        vault.seal(MAIN, "k", "i", b"x")
    assert await records.read(lambda r: r.count(DATA_KEY, MAIN)) == 0


async def test_a_tenants_key_rotates_and_the_old_fields_still_open(tmp_path: Path) -> None:
    """New fields name the new version."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    old = vault.seal(MAIN, "k", "i", b"x")
    await vault.rotate_tenant(MAIN)
    new = vault.seal(MAIN, "k", "i", b"y")
    assert new.partition(":")[0] > old.partition(":")[0]
    again = await make_vault(tmp_path, records)
    assert again.unseal(MAIN, "k", "i", old) == b"x"
    assert again.unseal(MAIN, "k", "i", new) == b"y"
    assert again.seal(MAIN, "k", "i", b"z").partition(":")[0] == new.partition(":")[0]


async def test_cr_1_a_wrapped_key_moved_to_another_tenant_does_not_open(tmp_path: Path) -> None:
    """The wrapping too is bound to its tenant."""
    records = MemoryRecords()
    await make_vault(tmp_path, records)

    def move(writer: object) -> None:
        stored = writer.get(DATA_KEY, MAIN, "00000001").value  # type: ignore[attr-defined]
        moved = type(stored)(OTHER, stored.name, stored.master_id, stored.wrapped)
        writer.insert(DATA_KEY, OTHER, "00000001", moved)  # type: ignore[attr-defined]

    await records.write(move)
    with pytest.raises(Damaged):
        await make_vault(tmp_path, records)


async def test_a_named_secret_is_made_once(tmp_path: Path) -> None:
    """The pepper of machine secrets is the same after every start, and not in the records."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    pepper = await vault.secret("pepper")
    assert await vault.secret("pepper") == pepper
    assert await vault.secret("other") != pepper
    assert await (await make_vault(tmp_path, records)).secret("pepper") == pepper
    stored = await records.read(lambda r: r.get(PLATFORM_SECRET, PLATFORM, "pepper").value)
    assert pepper not in stored.wrapped


async def test_a_tenants_first_key_is_made_once(tmp_path: Path) -> None:
    """Asking again changes nothing."""
    records = MemoryRecords()
    vault = await make_vault(tmp_path, records)
    await vault.add_tenant(MAIN)
    assert await records.read(lambda r: r.count(DATA_KEY, MAIN)) == 1


async def test_two_first_uses_at_once_make_one_key(tmp_path: Path) -> None:
    """Two connectors' passwords are sealed in the same moment, on a new platform."""
    vault = Vault(MasterKey.open(tmp_path), MemoryRecords())
    await asyncio.gather(*(vault.add_tenant(MAIN) for _ in range(5)))
    found = await asyncio.gather(*(vault.secret("pepper") for _ in range(5)))
    assert len(set(found)) == 1
    sealed = vault.seal(MAIN, "credential", "erp", b"plain")
    assert vault.unseal(MAIN, "credential", "erp", sealed) == b"plain"
