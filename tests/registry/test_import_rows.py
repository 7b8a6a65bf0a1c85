"""Rows of an import: each has its outcome, and one that is wrong spoils no other."""

from pathlib import Path

from tests.registry.importing import Bulk, rows
from tests.registry.support import ALICE, MAIN, MALLORY

from weft.model.device import Lifecycle
from weft.registry.bulk import OnConflict, Outcome, State
from weft.registry.devices import NewDevice
from weft.registry.import_kinds import PIECE_ROWS
from weft.registry.rows import FileFormat
from weft.registry.tenants import Quotas


async def test_each_row_has_its_outcome(tmp_path: Path) -> None:
    """What is wrong is told with line, column and remedy, and spoils no other row."""
    bulk = Bulk(tmp_path)
    await bulk.devices.create(ALICE, NewDevice(device_id="there"))
    content = (
        "device_id,type_name,label,lifecycle,attributes.hall\n"
        "p-1,,Pump,pending,2\n"
        "a/b,,,,\n"
        "p-2,nothing,,,\n"
        f"p-3,,{'x' * 300},,\n"
        "p-4,,,revoked,\n"
        "p-5,,,odd,\n"
        "there,,,,\n"
    )
    job, report = await bulk.imported(content)
    assert (job.state, job.done, job.rows) == (State.DONE, 7, 7)
    assert job.counts == {"created": 1, "failed": 6}
    told = [(one.line, one.error.column if one.error else "") for one in report]
    assert told == [
        (2, ""),
        (3, "device_id"),
        (4, "type_name"),
        (5, "label"),
        (6, "lifecycle"),
        (7, "lifecycle"),
        (8, "device_id"),
    ]
    assert all(one.error.remedy for one in report if one.error)
    made = bulk.devices.get(MAIN, "p-1")
    assert (made.lifecycle, made.attributes) == (Lifecycle.PENDING, {"hall": 2})
    assert bulk.audit.actions().count("device.create") == 2


async def test_devices_that_are_there_are_skipped_or_updated_as_asked(tmp_path: Path) -> None:
    """What a row does not name stays; the same file twice changes nothing more."""
    bulk = Bulk(tmp_path)
    await bulk.devices.create(
        ALICE, NewDevice(device_id="p-1", label="Old", attributes={"hall": 1, "row": 2})
    )
    content = "device_id,label,attributes.hall\np-1,,7\np-2,New,\n"
    job, _ = await bulk.imported(content, on_conflict=OnConflict.SKIP)
    assert job.counts == {"skipped": 1, "created": 1}
    job, _ = await bulk.imported(content, on_conflict=OnConflict.UPDATE)
    assert job.counts == {"updated": 1, "skipped": 1}
    held = bulk.devices.get(MAIN, "p-1")
    assert (held.label, held.attributes) == ("Old", {"hall": 7, "row": 2})
    again, report = await bulk.imported(content, on_conflict=OnConflict.UPDATE)
    assert again.counts == {"skipped": 2}
    moved, report = await bulk.imported(
        "device_id,lifecycle\np-1,suspended\n", on_conflict=OnConflict.UPDATE
    )
    assert moved.counts == {"failed": 1}
    assert report[0].error is not None
    assert "weft device move" in report[0].error.remedy


async def test_a_dry_run_says_what_would_be_and_does_nothing(tmp_path: Path) -> None:
    """Also what the quota would stop, over all pieces together."""
    bulk = Bulk(tmp_path)
    await bulk.tenants.create(ALICE, MAIN, quotas=Quotas(devices=PIECE_ROWS + 5))
    job, report = await bulk.imported(rows(PIECE_ROWS + 10), dry_run=True, credentials=True)
    assert job.counts == {"created": PIECE_ROWS + 5, "failed": 5}
    assert await bulk.devices.list(MAIN) == []
    assert not any(one.sealed for one in report)
    real, report = await bulk.imported(rows(PIECE_ROWS + 10))
    assert real.counts == job.counts
    assert [one.outcome for one in report[-5:]] == [Outcome.FAILED] * 5
    assert len(await bulk.devices.list(MAIN, limit=1_000)) == PIECE_ROWS + 5


async def fleet(bulk: Bulk) -> None:
    """A gateway with a device behind it, and a pump of its own."""
    await bulk.devices.create(ALICE, NewDevice(device_id="gate-0"))
    await bulk.devices.create(ALICE, NewDevice(device_id="old", gateway="gate-0", alias="1"))
    await bulk.devices.create(ALICE, NewDevice(device_id="pump"))


def behind(bulk: Bulk, name: str) -> tuple[str, str]:
    device = bulk.devices.get(MAIN, name)
    gateway = bulk.devices.find_uid(device.gateway)
    return gateway.device_id if gateway else "", device.alias


async def test_devices_come_behind_their_gateways(tmp_path: Path) -> None:
    """A gateway is there, or in the file, above or below; what it calls them is the alias."""
    bulk = Bulk(tmp_path)
    await fleet(bulk)
    content = "device_id,gateway,alias\nm-1,gate-1,7\nm-2,gate-0,\ngate-1,,\nm-3,gate-1,8\n"
    job, report = await bulk.imported(content)
    assert job.counts == {"created": 4}
    assert [one.line for one in report] == [3, 4, 5, 2]
    assert [behind(bulk, f"m-{number}") for number in (1, 2, 3)] == [
        ("gate-1", "7"), ("gate-0", "m-2"), ("gate-1", "8"),
    ]  # fmt: skip
    gate = bulk.devices.get(MAIN, "gate-1")
    assert [one.device_id for one in bulk.devices.children_of(gate)] == ["m-1", "m-3"]


async def test_what_is_wrong_with_a_place_is_told_row_by_row(tmp_path: Path) -> None:
    """Unknown, failed, in a circle, taken, or an alias that nobody uses; the others go in."""
    bulk = Bulk(tmp_path)
    await fleet(bulk)
    await bulk.devices.create(MALLORY, NewDevice(device_id="theirs"))
    content = (
        "device_id,type_name,gateway,alias\n"
        "a,,nowhere,\n"
        "b,,theirs,\n"
        "bad,nothing,,\n"
        "c,,bad,\n"
        "d,,e,\n"
        "e,,d,\n"
        "f,,old,\n"
        "g,,gate-0,1\n"
        "h,,,9\n"
        "i,,gate-0,2\n"
    )
    job, report = await bulk.imported(content)
    told = {one.device_id: one.error for one in report if one.error is not None}
    assert job.counts == {"created": 1, "failed": 9}
    assert {name: error.column for name, error in told.items()} == {
        "a": "gateway", "b": "gateway", "bad": "type_name", "c": "gateway", "d": "gateway",
        "e": "gateway", "f": "gateway", "g": "alias", "h": "alias",
    }  # fmt: skip
    assert "mend that" in told["c"].remedy
    assert "'old'" in told["g"].detail
    assert all(error.remedy for error in told.values())
    assert behind(bulk, "i") == ("gate-0", "2")


async def test_a_device_that_is_there_is_moved_behind_another_gateway(tmp_path: Path) -> None:
    """An empty cell says nothing; null takes it away; a gateway of others cannot go behind one."""
    bulk = Bulk(tmp_path)
    await fleet(bulk)
    job, _ = await bulk.imported(
        "device_id,gateway,alias\nold,,\npump,gate-0,2\n",
        on_conflict=OnConflict.UPDATE,
    )
    assert job.counts == {"skipped": 1, "updated": 1}
    assert (behind(bulk, "old"), behind(bulk, "pump")) == (("gate-0", "1"), ("gate-0", "2"))
    again, _ = await bulk.imported("device_id,alias\npump,3\n", on_conflict=OnConflict.UPDATE)
    assert again.counts == {"updated": 1}
    assert behind(bulk, "pump") == ("gate-0", "3")
    freed, _ = await bulk.imported(
        '{"device_id": "pump", "gateway": null, "alias": ""}\n',
        format=FileFormat.NDJSON,
        on_conflict=OnConflict.UPDATE,
    )
    assert freed.counts == {"updated": 1}
    assert behind(bulk, "pump") == ("", "")
    other, report = await bulk.imported(
        "device_id,gateway\ngate-0,pump\n", on_conflict=OnConflict.UPDATE
    )
    assert other.counts == {"failed": 1}
    assert report[0].error is not None
    assert "is a gateway itself" in report[0].error.detail


async def test_a_dry_run_believes_the_gateway_of_a_piece_before(tmp_path: Path) -> None:
    """It was made and undone; its report says that it would be there, or would not."""
    bulk = Bulk(tmp_path)
    many = "".join(f"p-{number},,,\n" for number in range(PIECE_ROWS))
    content = (
        f"device_id,type_name,gateway,alias\ngate,,,\nbad,nothing,,\n{many}m-1,,gate,\nm-2,,bad,\n"
    )
    tried, report = await bulk.imported(content, dry_run=True)
    assert tried.counts == {"created": PIECE_ROWS + 2, "failed": 2}
    assert [one.outcome for one in report[-2:]] == [Outcome.CREATED, Outcome.FAILED]
    assert await bulk.devices.list(MAIN) == []
    real, again = await bulk.imported(content)
    assert (real.counts, again) == (tried.counts, report)
