"""Keys of a factory: each is checked, sealed before it is written, and shown nowhere."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.registry.batch import PEER
from tests.registry.importing import Bulk
from tests.registry.support import ALICE, MAIN, MALLORY

from weft.registry.bulk import OnConflict
from weft.registry.import_keys import has_keys, sealed_rows
from weft.registry.import_kinds import PIECES, GivenKind
from weft.registry.rows import FileFormat, read_rows
from weft.security.credential_records import CREDENTIALS

KEY = "00112233445566778899aabbccddeeff"
HEAD = "device_id,psk,psk_identity\n"


def told(bulk: list[Any]) -> list[tuple[int, str]]:
    """The line and the column of each error."""
    return [(one.line, one.error.column) for one in bulk if one.error is not None]


async def test_a_factorys_key_opens_the_device_and_is_shown_nowhere(tmp_path: Path) -> None:
    """By its own identity, or by one of ours where the factory gave none."""
    bulk = Bulk(tmp_path)
    other = KEY[::-1]
    job, report = await bulk.imported(f"{HEAD}m-1,{KEY},urn:imei:49\nm-2,{other},\n")
    assert job.counts == {"created": 2}
    names = [one.identity for one in report]
    assert names[0] == "urn:imei:49"
    for name, key, device in ((names[0], KEY, "m-1"), (names[1], other, "m-2")):
        offer = bulk.door.offer_psk(name, PEER)
        assert offer.key == bytes.fromhex(key)
        assert bulk.door.prove_psk(offer, PEER).principal.id == device
    assert [secret for _, secret in await bulk.report(job)] == ["", ""]
    shown = msgspec.json.encode([job, report]).decode()
    assert KEY not in shown
    await bulk.credentials.load()
    assert bulk.preshared.find("urn:imei:49").key == bytes.fromhex(KEY)


async def test_cr_2_a_key_that_waits_for_its_turn_is_sealed(tmp_path: Path) -> None:
    """Also that of a row that is wrong: it is not kept at all."""
    bulk = Bulk(tmp_path)
    content = f"{HEAD}m-1,{KEY},\nm-1,{KEY[::-1]},\n"
    job = await bulk.start(content)
    pieces = await bulk.records.read(lambda r: [one.value for one in r.list(PIECES, MAIN)])
    kept = msgspec.json.encode(pieces).decode()
    assert '"m-1"' in kept
    for key in (KEY, KEY[::-1]):
        assert key not in kept
        assert bytes.fromhex(key) not in msgspec.msgpack.encode(pieces)
    async with bulk.running():
        assert (await bulk.through(job)).counts == {"created": 1, "failed": 1}


async def test_cr_2_a_key_under_a_wrong_name_is_not_kept(tmp_path: Path) -> None:
    """Nobody knows that it is one, so nothing of such a row is."""
    bulk = Bulk(tmp_path)
    content = f'{{"device_id":"m-1","psk_key":"{KEY}"}}\n'
    job = await bulk.start(content, format=FileFormat.NDJSON)
    pieces = await bulk.records.read(lambda r: [one.value for one in r.list(PIECES, MAIN)])
    assert KEY not in msgspec.json.encode(pieces).decode()
    async with bulk.running():
        assert (await bulk.through(job)).counts == {"failed": 1}


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("zz112233445566778899aabbccddeeff,", "psk"),
        (f"{KEY}0,", "psk"),
        (f"{KEY[:30]},", "psk"),
        (f"{'0f' * 15}01{'a1' * 50},", "psk"),
        (f"{'00' * 16},", "psk"),
        (",meter-1", "psk_identity"),
        (f"{KEY},meter 1", "psk_identity"),
        (f"{KEY},m\u00e9ter", "psk_identity"),
        (f"{KEY},{'x' * 129}", "psk_identity"),
        (f"{KEY},{'a' * 16}", "psk_identity"),
        (f"{KEY},{'a' * 16}:0042", "psk_identity"),
    ],
)
async def test_what_is_wrong_is_told_by_row_and_column(
    tmp_path: Path, cells: str, column: str
) -> None:
    """And not by what stood there; the other rows go."""
    bulk = Bulk(tmp_path)
    job, report = await bulk.imported(f"{HEAD}m-1,{cells}\nm-2,,\n")
    assert job.counts == {"created": 1, "failed": 1}
    assert told(report) == [(2, column)]
    (error,) = [one.error for one in report if one.error is not None]
    assert error.remedy
    key = cells.partition(",")[0]
    assert not key or key not in error.detail + error.remedy
    assert bulk.devices.find(MAIN, "m-1") is None


async def test_two_devices_never_share_a_key_or_an_identity(tmp_path: Path) -> None:
    """The second row of a file says which line has it."""
    bulk = Bulk(tmp_path)
    content = f"{HEAD}m-1,{KEY},a\nm-2,{KEY.upper()},b\nm-3,{KEY[::-1]},a\n"
    job, report = await bulk.imported(content)
    assert told(report) == [(3, "psk"), (4, "psk_identity")]
    assert all("line 2" in one.error.detail for one in report if one.error is not None)
    assert job.counts == {"created": 1, "failed": 2}


async def test_an_identity_that_is_taken_is_refused_whoever_has_it(tmp_path: Path) -> None:
    """DTLS knows no tenant: the first keeps it, and another tenant reads no more than its own."""
    bulk = Bulk(tmp_path)
    await bulk.imported(f"{HEAD}m-1,{KEY},meter-1\n")
    words = set()
    for actor in (ALICE, MALLORY):
        _, report = await bulk.imported(f"{HEAD}m-9,{KEY[::-1]},meter-1\n", actor=actor)
        assert told(report) == [(2, "psk_identity")]
        words |= {(one.error.detail, one.error.remedy) for one in report if one.error}
        assert bulk.devices.find(actor.tenant, "m-9") is None
    assert len(words) == 1
    assert "m-1" not in str(words).replace("meter-1", "")
    found = bulk.preshared.find("meter-1")
    assert found.key == bytes.fromhex(KEY)
    assert found.credential is not None
    assert found.credential.tenant == MAIN


async def test_an_identity_is_free_when_its_device_is_gone(tmp_path: Path) -> None:
    """It was sold: its new owner brings it in. The old owner's end does not end it."""
    bulk = Bulk(tmp_path)
    _, report = await bulk.imported(f"{HEAD}m-1,{KEY},meter-1\nm-2,{KEY[::-1]},meter-2\n")
    await bulk.devices.delete(ALICE, "m-1")
    assert bulk.preshared.find("meter-1").credential is None
    held = bulk.preshared.find("meter-2").credential
    assert held is not None
    await bulk.credentials.revoke(ALICE, bulk.devices.get(MAIN, "m-2"), held.credential_id)
    content = f"{HEAD}m-1,{KEY},meter-1\nm-2,{KEY[::-1]},meter-2\n"
    job, _ = await bulk.imported(content, actor=MALLORY)
    assert job.counts == {"created": 2}
    await bulk.devices.delete(ALICE, "m-2")
    for name in ("meter-1", "meter-2"):
        credential = bulk.preshared.find(name).credential
        assert credential is not None
        assert credential.tenant == MALLORY.tenant
    assert report[0].identity == "meter-1"


async def test_an_identity_that_ran_out_is_its_next_owners_after_a_restart(tmp_path: Path) -> None:
    """However the names of the two credentials are sorted: in two tenants, in either order."""
    for first, second in ((ALICE, MALLORY), (MALLORY, ALICE)):
        folder = tmp_path / first.tenant
        folder.mkdir()
        bulk = Bulk(folder)
        await bulk.imported(f"{HEAD}m-1,{KEY},meter-1\n", actor=first)
        held = bulk.preshared.find("meter-1").credential
        assert held is not None
        over = structs.replace(held, expires_at=bulk.clock.now())
        await bulk.records.write(
            lambda w, over=over: w.put(CREDENTIALS, over.tenant, over.credential_id, over)
        )
        await bulk.credentials.load()
        bulk.clock.turn(60)
        job, _ = await bulk.imported(f"{HEAD}m-2,{KEY[::-1]},meter-1\n", actor=second)
        assert job.counts == {"created": 1}
        await bulk.credentials.load()
        found = bulk.preshared.find("meter-1").credential
        assert found is not None
        assert found.tenant == second.tenant


async def test_an_imported_identity_takes_no_other_credentials_place(tmp_path: Path) -> None:
    """Neither a key's, a secret's nor a certificate's, though it be written the same."""
    bulk = Bulk(tmp_path)
    await bulk.imported("device_id\nvictim\n")
    victim = bulk.devices.get(MAIN, "victim")
    made = await bulk.credentials.issue_certificate(ALICE, victim)
    fingerprint = made.credential.credential_id
    job, _ = await bulk.imported(f"{HEAD}m-1,{KEY},{fingerprint}\n", actor=MALLORY)
    assert job.counts == {"created": 1}
    assert bulk.door.by_certificate(made.certificate.der, PEER).uid == victim.uid
    issued = await bulk.preshared.issue(ALICE, victim)
    name = issued.credential.credential_id
    _, report = await bulk.imported(f"{HEAD}m-2,{KEY[::-1]},{name}\n", actor=MALLORY)
    assert told(report) == [(2, "psk_identity")]
    assert bulk.preshared.find(name).key == issued.key.encode()


async def test_a_device_that_is_there_gets_no_key_by_a_file(tmp_path: Path) -> None:
    """Its key would change behind its back; skipped rows are skipped."""
    bulk = Bulk(tmp_path)
    content = f"{HEAD}m-1,{KEY},meter-1\n"
    await bulk.imported(content)
    _, report = await bulk.imported(content, on_conflict=OnConflict.UPDATE)
    assert told(report) == [(2, "psk")]
    job, _ = await bulk.imported(content, on_conflict=OnConflict.SKIP)
    assert job.counts == {"skipped": 1}


async def test_each_new_device_is_given_a_key(tmp_path: Path) -> None:
    """In the report once, sealed until then; who brings a key gets no second one."""
    bulk = Bulk(tmp_path)
    job, report = await bulk.imported(
        f"{HEAD}m-1,,\nm-2,{KEY},\n", credentials=True, kind=GivenKind.PSK
    )
    assert job.secrets
    assert report[0].sealed
    assert not report[1].sealed
    name = report[0].identity
    device = bulk.devices.get(MAIN, "m-1")
    found = bulk.preshared.find(name)
    assert found.credential is not None
    assert found.credential.device_uid == device.uid
    assert found.key.decode() not in msgspec.json.encode(report).decode()
    held = await bulk.credentials.list_credentials(bulk.devices.get(MAIN, "m-2"))
    assert len(held) == 1


async def test_a_dry_run_leaves_no_key_behind(tmp_path: Path) -> None:
    """Neither a credential nor an identity that would be taken then."""
    bulk = Bulk(tmp_path)
    content = f"{HEAD}m-1,{KEY},meter-1\n"
    job, report = await bulk.imported(content, dry_run=True)
    assert job.counts == {"created": 1}
    assert report[0].identity == ""
    assert bulk.preshared.find("meter-1").credential is None
    job, _ = await bulk.imported(content)
    assert job.counts == {"created": 1}


async def test_lines_of_json_bring_keys_as_well(tmp_path: Path) -> None:
    """With the same names; what is no text is told."""
    bulk = Bulk(tmp_path)
    content = f'{{"device_id":"m-1","psk":"{KEY}"}}\n{{"device_id":"m-2","psk":7}}\n'
    job, report = await bulk.imported(content, format=FileFormat.NDJSON)
    assert job.counts == {"created": 1, "failed": 1}
    assert told(report) == [(2, "psk")]


def test_rows_without_keys_are_as_they_were() -> None:
    """Nothing is sealed for them."""
    rows = read_rows(b"device_id\na\nb\n", FileFormat.CSV)
    assert not has_keys(rows)
    assert sealed_rows(rows, lambda _line, _key: "never") == rows
