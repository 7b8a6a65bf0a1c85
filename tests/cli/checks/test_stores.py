"""The stores: whole, damaged in each of their parts, and in use."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.platform import make_folder, serving

from weft.cli.checks.finding import Finding
from weft.cli.checks.stores import audit_finding, check_beside, check_stores, is_in_use


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


async def test_a_folder_that_was_left_in_order_is_whole(tmp_path: Path) -> None:
    """Every checksum, history's position, and the audit of each tenant."""
    await make_folder(tmp_path / "data", 3)
    found = by_name(await check_stores(tmp_path / "data"))
    assert {name: finding.state.value for name, finding in found.items()} == {
        "records": "ok",
        "history": "ok",
        "journal": "ok",
        "audit of main": "ok",
    }
    assert "up to position 3" in found["history"].found
    assert "positions 1 to 3" in found["journal"].found


async def test_damage_is_found_in_each_store_by_itself(tmp_path: Path) -> None:
    """A changed message, a changed record, a file that is no database."""
    data = tmp_path / "data"
    await make_folder(data, 3)
    change(data / "journal.sqlite", "UPDATE batch SET body = zeroblob(length(body))")
    found = by_name(await check_stores(data))
    assert (found["journal"].state, found["records"].state) == ("fail", "ok")
    assert "--repair" in found["journal"].remedy
    (data / "history.duckdb").write_bytes(b"no database" * 1000)
    assert by_name(await check_stores(data))["history"].state == "fail"
    change(data / "records.sqlite", "UPDATE record SET version = version + 1")
    found = by_name(await check_stores(data))
    assert found["records"].state == "fail"
    assert "audit of main" not in found


async def test_missing_files_are_told_by_what_they_mean(tmp_path: Path) -> None:
    """History can be made anew; a journal that others have read cannot."""
    data = tmp_path / "data"
    await make_folder(data, 3)
    (data / "journal.sqlite").rename(data / "elsewhere")
    assert by_name(await check_stores(data))["journal"].state == "fail"
    (data / "elsewhere").rename(data / "journal.sqlite")
    (data / "history.duckdb").unlink()
    assert by_name(await check_stores(data))["history"].state == "warn"
    assert await check_stores(tmp_path / "none") == []


async def test_beside_a_server_only_the_structure_is_looked_at(tmp_path: Path) -> None:
    """Through connections that only read; the lock tells that somebody is there."""
    data = tmp_path / "data"
    assert not is_in_use(data)
    async with serving(data):
        assert is_in_use(data)
        assert {finding.state.value for finding in check_beside(data)} == {"ok"}
    assert not is_in_use(data)


def test_a_database_that_is_gone_under_a_server_fails(tmp_path: Path) -> None:
    """Deleted by hand while it ran: it still writes, to where nobody finds it."""
    assert {finding.state.value for finding in check_beside(tmp_path)} == {"fail"}
    (tmp_path / "records.sqlite").write_bytes(b"no database" * 1000)
    found = by_name([*check_beside(tmp_path)])
    assert found["records"].state == "fail"


def test_a_broken_chain_names_the_first_bad_record() -> None:
    """And the platform's own is named in words."""
    assert audit_finding("main", 9, None, "").state == "ok"
    bad = audit_finding("", 4, 5, "the record was changed")
    assert bad.what == "audit of the platform"
    assert "Record 5" in bad.found
