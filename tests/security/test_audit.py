import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.security.support import ADMIN, MAIN, OTHER, SYSTEM, World, device

from weft.backends.sqlite.records import SqliteRecords
from weft.errors import StorageError
from weft.model.principal import Principal, PrincipalKind
from weft.security.audit import (
    AUDIT,
    AUDIT_CHECKPOINT,
    AUDIT_HEAD,
    ORIGIN,
    WITHHELD,
    Audit,
    AuditHead,
    AuditRecord,
    Origin,
    hash_of,
    key_of,
)
from weft.security.machine_secrets import make_secret
from weft.supervision import FakeClock


async def write_records(world: World, count: int) -> None:
    for number in range(count):
        await world.audit.record(ADMIN, "device.create", f"device:{number}")


async def test_al_1_a_record_says_who_did_what_when_and_from_where(world: World) -> None:
    """Everything that a reader of the log asks, in one record."""
    token = ORIGIN.set(Origin("192.0.2.7", "request-1"))
    try:
        record = await world.audit.record(
            ADMIN, "device.delete", "device:pump-7", outcome="denied", detail={"reason": "no role"}
        )
    finally:
        ORIGIN.reset(token)
    assert record.at == world.clock.now()
    assert (record.tenant, record.actor, record.actor_kind) == (MAIN, "ada", PrincipalKind.USER)
    assert (record.action, record.target) == ("device.delete", "device:pump-7")
    assert (record.outcome, record.reason) == ("denied", "no role")
    assert (record.address, record.request_id) == ("192.0.2.7", "request-1")
    assert record.detail == {}


async def test_al_1_the_origin_reaches_the_thread_that_writes(tmp_path: Path) -> None:
    """The store writes in a thread of its own; the request is still known there."""
    records = await SqliteRecords.open(tmp_path)
    audit = Audit(records, FakeClock(), b"a" * 32)
    token = ORIGIN.set(Origin("192.0.2.7", "request-1"))
    try:
        record = await audit.record(ADMIN, "device.create", "device:pump-7")
    finally:
        ORIGIN.reset(token)
        await records.close()
    assert record.request_id == "request-1"


async def test_al_1_no_record_holds_a_secret(world: World) -> None:
    """A careless caller puts secrets into every field; none is kept."""
    token = make_secret().text
    jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    await world.audit.record(
        ADMIN,
        "device.create",
        f"device:{token}",
        detail={
            "password": "hunter2 is my dog",
            "nested": {"client_secret": "canary-1", "list": [token, jwt]},
            "reason": f"because of {token}",
            "note": "-----BEGIN PRIVATE KEY-----",
        },
    )
    (stored,) = await world.audit.list_records(MAIN)
    text = msgspec.json.encode(stored.value).decode()
    for secret in (token, jwt, "hunter2", "canary-1", "BEGIN PRIVATE"):
        assert secret not in text
    assert WITHHELD in text


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\u2028", "\u2029", "\x85"])
async def test_al_1_a_name_with_control_characters_stays_one_line(
    world: World, character: str
) -> None:
    """A device's name cannot forge a second record."""
    record = await world.audit.record(
        ADMIN, "x", f"device:a{character}b", detail={f"k{character}": f"v{character}"}
    )
    assert record.target.isprintable()
    assert all(k.isprintable() and v.isprintable() for k, v in record.detail.items())
    assert len(msgspec.json.encode(record).decode().splitlines()) == 1


async def test_al_1_fields_are_short_and_of_plain_kinds(world: World) -> None:
    """A record is a line: long texts are cut, odd values become text."""
    record = await world.audit.record(
        ADMIN, "x", "d" * 5_000, detail={"object": object, "n": 1, "f": 0.5, "none": None}
    )
    assert len(record.target) == 1_024
    assert record.detail["n"] == 1
    assert isinstance(record.detail["object"], str)
    assert json.dumps(record.detail)


async def test_al_2_an_untouched_chain_verifies(world: World) -> None:
    """One chain per tenant; a page boundary is no break."""
    await write_records(world, 3)
    await world.audit.record(Principal(OTHER, PrincipalKind.USER, "bob", "uid-bob"), "x", "y")
    report = await world.audit.verify(MAIN)
    assert (report.intact, report.records) == (True, 3)
    assert (await world.audit.verify(OTHER)).records == 1


async def test_al_2_a_chain_longer_than_a_page_verifies(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records and checkpoints are read page by page."""
    monkeypatch.setattr("weft.security.audit.PAGE", 2)
    for _ in range(5):
        await write_records(world, 1)
        await world.audit.checkpoint()
    assert (await world.audit.verify(MAIN)).records == 5


async def test_al_2_an_empty_chain_is_intact(world: World) -> None:
    """A tenant in which nothing has happened yet."""
    assert (await world.audit.verify(MAIN)).intact


async def tamper(world: World, work: Any) -> None:
    await world.records.write(work)


def changed(writer: Any, sequence: int, **fields: Any) -> AuditRecord:
    stored = writer.get(AUDIT, MAIN, key_of(sequence)).value
    return msgspec.structs.replace(stored, **fields)


async def test_al_2_a_changed_record_is_named(world: World) -> None:
    """Somebody with the database makes another the actor of record 3."""
    await write_records(world, 5)
    await tamper(world, lambda w: w.put(AUDIT, MAIN, key_of(3), changed(w, 3, actor="mallory")))
    report = await world.audit.verify(MAIN)
    assert (report.intact, report.first_bad) == (False, 3)
    assert "changed" in report.reason


async def test_al_2_a_changed_record_with_a_new_hash_is_named_by_the_next(world: World) -> None:
    """Mending the hash of one record breaks the link to the one behind it."""
    await write_records(world, 5)

    def work(writer: Any) -> None:
        forged = changed(writer, 3, actor="mallory")
        forged = msgspec.structs.replace(forged, hash=hash_of(forged))
        writer.put(AUDIT, MAIN, key_of(3), forged)

    await tamper(world, work)
    assert (await world.audit.verify(MAIN)).first_bad == 4


async def test_al_2_a_deleted_record_is_named(world: World) -> None:
    """A hole in the middle."""
    await write_records(world, 5)
    await tamper(world, lambda w: w.delete(AUDIT, MAIN, key_of(2)))
    assert (await world.audit.verify(MAIN)).first_bad == 2


async def test_al_2_records_that_changed_places_are_named(world: World) -> None:
    """The order of acts is part of what was written."""
    await write_records(world, 5)

    def work(writer: Any) -> None:
        two, three = changed(writer, 2), changed(writer, 3)
        writer.put(AUDIT, MAIN, key_of(2), three)
        writer.put(AUDIT, MAIN, key_of(3), two)

    await tamper(world, work)
    assert (await world.audit.verify(MAIN)).first_bad == 2


@pytest.mark.parametrize(("key", "bad"), [(key_of(3), 3), (key_of(1) + "x", 2)])
async def test_al_2_an_inserted_record_is_named(world: World, key: str, bad: int) -> None:
    """Behind the end, or between two others."""
    await write_records(world, 2)

    def work(writer: Any) -> None:
        last = changed(writer, 2)
        forged = msgspec.structs.replace(last, previous=last.hash, actor="mallory")
        writer.put(AUDIT, MAIN, key, msgspec.structs.replace(forged, sequence=3))

    await tamper(world, work)
    assert (await world.audit.verify(MAIN)).first_bad == bad


async def truncate(world: World, keep: int, total: int) -> None:
    def work(writer: Any) -> None:
        for sequence in range(keep + 1, total + 1):
            writer.delete(AUDIT, MAIN, key_of(sequence))
        last = writer.get(AUDIT, MAIN, key_of(keep)).value
        writer.put(AUDIT_HEAD, MAIN, "head", AuditHead(keep, last.hash))

    await tamper(world, work)


async def test_al_2_a_truncation_is_caught_by_the_exported_head(world: World) -> None:
    """The end and its head were cut off with care; what was exported before says so."""
    await write_records(world, 5)
    exported = await world.audit.export_head(MAIN)
    await truncate(world, 3, 5)
    assert (await world.audit.verify(MAIN)).intact  # the chain alone does not know
    report = await world.audit.verify(MAIN, exported)
    assert (report.intact, report.first_bad) == (False, 4)
    assert "cut off" in report.reason


async def test_al_2_a_truncation_is_caught_by_a_signed_checkpoint(world: World) -> None:
    """The same, by the checkpoint that is signed each minute."""
    await write_records(world, 5)
    assert await world.audit.checkpoint() == 1
    await truncate(world, 3, 5)
    assert (await world.audit.verify(MAIN)).first_bad == 4


async def test_al_2_a_chain_written_anew_is_caught(world: World) -> None:
    """Who holds the database writes a whole new chain; the signature is not theirs to make."""
    await write_records(world, 1)
    exported = await world.audit.export_head(MAIN)

    def work(writer: Any) -> None:
        forged = changed(writer, 1, actor="mallory")
        forged = msgspec.structs.replace(forged, hash=hash_of(forged))
        writer.put(AUDIT, MAIN, key_of(1), forged)
        writer.put(AUDIT_HEAD, MAIN, "head", AuditHead(1, forged.hash))

    await tamper(world, work)
    report = await world.audit.verify(MAIN, exported)
    assert report.first_bad == 1
    assert "written anew" in report.reason


async def test_al_2_a_forged_checkpoint_does_not_verify(world: World) -> None:
    """Changed, signed by another key, or no signature at all."""
    await write_records(world, 2)
    point = await world.audit.export_head(MAIN)
    assert world.audit.is_signed(point)
    for fields in ({"sequence": 1}, {"signature": "AAAA"}, {"signature": "not base64!"}):
        assert not world.audit.is_signed(msgspec.structs.replace(point, **fields))
    foreign = Audit(world.records, world.clock, b"b" * 32)
    assert not foreign.is_signed(point)
    assert (await foreign.verify(MAIN, point)).intact is False


async def test_al_2_a_head_that_is_not_the_last_record_is_named(world: World) -> None:
    """The head was changed and nothing else."""
    await write_records(world, 2)
    await tamper(world, lambda w: w.put(AUDIT_HEAD, MAIN, "head", AuditHead(2, "0" * 64)))
    assert (await world.audit.verify(MAIN)).first_bad == 2


async def test_al_2_only_chains_that_grew_are_signed_again(world: World) -> None:
    """An idle night leaves no checkpoints behind."""
    assert await world.audit.checkpoint() == 0
    await write_records(world, 1)
    assert await world.audit.checkpoint() == 1
    assert await world.audit.checkpoint() == 0
    count = await world.records.read(lambda r: r.count(AUDIT_CHECKPOINT, MAIN))
    assert count == 1


async def test_al_2_a_checkpoint_is_due_each_minute_or_thousand_records(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever comes first."""
    monkeypatch.setattr("weft.security.audit.CHECKPOINT_RECORDS", 10)
    await write_records(world, 9)
    assert await world.audit.checkpoint_if_due() == 0
    await write_records(world, 1)
    assert await world.audit.checkpoint_if_due() == 1
    await write_records(world, 1)
    world.clock.turn(59)
    assert await world.audit.checkpoint_if_due() == 0
    world.clock.turn(1)
    assert await world.audit.checkpoint_if_due() == 1


async def test_al_4_an_act_that_cannot_be_recorded_has_not_happened(certified: World) -> None:
    """The disk is full: the revocation fails aloud, and the credential still works."""
    world, pump = certified, device()
    issued = await world.credentials.issue_secret(SYSTEM, pump)
    world.records.full = StorageError("The disk is full.")
    with pytest.raises(StorageError):
        await world.credentials.revoke(SYSTEM, pump, issued.credential.credential_id)
    assert world.door.by_secret("pump-7", issued.token, "192.0.2.7:1").uid == pump.uid


async def test_al_4_a_record_and_its_act_are_one_transaction(world: World) -> None:
    """An act that fails after its record was written leaves no record."""

    def work(writer: Any) -> None:
        world.audit.entry(writer, ADMIN, "x", "y")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await world.records.write(work)
    assert await world.audit.list_records(MAIN) == []


async def test_records_are_listed_newest_first_and_by_what_is_asked(world: World) -> None:
    """Pages and filters, within one tenant."""
    await write_records(world, 3)
    await world.audit.record(SYSTEM, "key.create", "key:k")
    page = await world.audit.list_records(MAIN, limit=2)
    assert [stored.value.sequence for stored in page] == [4, 3]
    rest = await world.audit.list_records(MAIN, after=page[-1].key, limit=2)
    assert [stored.value.sequence for stored in rest] == [2, 1]
    found = await world.audit.list_records(MAIN, where=("action", "key.create"))
    assert [stored.value.actor for stored in found] == ["weft"]
    assert await world.audit.list_records(OTHER) == []


def test_the_public_key_is_32_bytes_for_whoever_checks_outside(world: World) -> None:
    """It is kept beside exported heads."""
    assert len(base64.b64decode(world.audit.public_key)) == 32
