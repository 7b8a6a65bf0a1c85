"""Telemetry as lines: kept before the answer, each judged by itself."""

from pathlib import Path

import pytest
from tests.api.support import MAIN, World, running

from weft.api.settings import ApiSettings, LineSettings
from weft.errors import StorageError

PATH = "/devices/me/telemetry/stream"
NDJSON = {"content-type": "application/x-ndjson"}


async def test_every_line_is_kept_before_the_answer(world: World) -> None:
    """A device that was offline for a day sends what it has saved, in one request."""
    pump = await world.device("pump-7")
    body = b"".join(
        b'{"ts": %d, "values": {"t": %d}}\n' % (1_772_366_400_000 + n, n) for n in range(1_200)
    )
    answer = await world.call("POST", PATH, token=pump, body=body, headers=NDJSON)
    assert answer.json == {"accepted": 1_200, "refused": 0, "position": 1_200, "refusals": []}
    assert world.journal.head == 1_200
    assert world.twins.get(MAIN, "pump-7").telemetry["t"].value == 1_199  # type: ignore[arg-type]  # a plain name


async def test_a_line_that_is_refused_is_named_and_lies_in_the_inbox(world: World) -> None:
    """The others are kept (promise 2)."""
    pump = await world.device("pump-7")
    body = b'{"t": 1}\n{"t": \n\n[{"t": 3}]\n"no"\n'
    answer = await world.call("POST", PATH, token=pump, body=body, headers=NDJSON)
    assert (answer.status, answer.json["accepted"], answer.json["refused"]) == (200, 2, 2)
    assert [one["line"] for one in answer.json["refusals"]] == [2, 5]
    assert {one["code"] for one in answer.json["refusals"]} == {"payload_invalid"}
    listed = await world.call("GET", "/rejections", token=world.admin())
    assert len(listed.json["items"]) == 2


async def test_an_answer_names_so_many_refusals_and_counts_all(world: World) -> None:
    pump = await world.device("pump-7")
    answer = await world.call("POST", PATH, token=pump, body=b"no\n" * 150, headers=NDJSON)
    assert (answer.json["refused"], len(answer.json["refusals"])) == (150, 100)


async def test_it_is_lines_or_nothing(world: World) -> None:
    """415 with the type that is read; another's device is 403, as always."""
    pump = await world.device("pump-7")
    await world.device("pump-8")
    assert (await world.call("POST", PATH, token=pump, body={"t": 1})).status == 415
    other = PATH.replace("me", "pump-8", 1)
    answer = await world.call("POST", other, token=pump, body=b"{}\n", headers=NDJSON)
    assert answer.status == 403


async def test_rl_1_lines_are_messages(world: World) -> None:
    """Over the rate by more than a request may wait: 429, and what is kept is said."""
    pump = await world.device("pump-7")
    world.services.limiter.set_tenant_messages(MAIN, 0.01)
    body = b'{"t": 1}\n' * 600
    answer = await world.call("POST", PATH, token=pump, body=body, headers=NDJSON)
    assert (answer.status, answer.json["code"]) == (429, "rate_limited")
    assert "The first 500 are kept." in answer.json["detail"]
    assert world.journal.head == 500


async def test_a_request_has_an_end(tmp_path: Path) -> None:
    """Beyond lines_max the sender learns what is kept."""
    settings = ApiSettings(lines=LineSettings(lines_max=500))
    async with running(World(tmp_path, settings=settings)) as world:
        pump = await world.device("pump-7")
        body = b'{"t": 1}\n' * 501
        answer = await world.call("POST", PATH, token=pump, body=body, headers=NDJSON)
        assert (answer.status, world.journal.head) == (413, 500)
        assert "The first 500 are kept." in answer.json["detail"]


async def test_a_disk_that_is_full_is_told_with_what_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503: nothing of that batch, all before it."""
    pump = await world.device("pump-7")
    append = world.journal.append
    batches: list[int] = []

    async def full(batch: object) -> int:
        batches.append(1)
        if len(batches) > 1:
            raise StorageError("The disk is full.", remedy="Make room.")
        return await append(batch)  # type: ignore[arg-type]  # what it is given

    monkeypatch.setattr(world.journal, "append", full)
    body = b'{"t": 1}\n' * 600
    answer = await world.call("POST", PATH, token=pump, body=body, headers=NDJSON)
    assert answer.status == 503
    assert "The first 500 are kept." in answer.json["detail"]
