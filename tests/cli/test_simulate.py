"""`weft simulate`: devices that are made, driven for a while, and counted."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.app.support import served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.cli.root import cli
from weft.model.ids import DeviceId

TYPE = {"telemetry": {"level": {"type": "number", "minimum": 0, "maximum": 5}}}
QUICK = ("--interval", "0.05", "--seconds", "0.5")


async def simulate(data: Path, *arguments: str) -> Result:
    """Run the command in a process' place: a thread of its own, where it has its own loop."""
    args = ["--data", str(data), "simulate", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, cli, args)


@pytest.fixture(autouse=True)
def _no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are for the main thread; here the time ends it."""
    monkeypatch.setattr("weft.cli.simulate.stop_on_signals", lambda _stop: None)
    for name in ("WEFT_URL", "WEFT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def counted(result: Result) -> tuple[int, int]:
    """Return (acknowledged, refused) as the command says at its end."""
    assert result.exit_code == 0, result.output
    words = result.stderr.splitlines()[-1].split()
    return int(words[0]), int(words[3])


async def test_devices_are_made_and_what_they_send_is_kept(tmp_path: Path) -> None:
    """With a type of its own where none was named; nothing is refused."""
    async with served(tmp_path) as weft:
        sent, refused = counted(await simulate(tmp_path, "--devices", "3", *QUICK))
        assert sent > 0
        assert refused == 0
        assert weft.stores.journal.head >= sent
        found = await weft.identity.devices.list(MAIN)
        assert [one.device_id for one in found] == [f"simulated-machine-{n}" for n in (1, 2, 3)]


async def test_a_second_run_drives_the_same_devices(tmp_path: Path) -> None:
    """With a credential of its own; that of the first, which nobody holds, ends."""
    async with served(tmp_path) as weft:
        for _ in range(3):
            counted(await simulate(tmp_path, "--devices", "1", *QUICK))
        (device,) = await weft.identity.devices.list(MAIN)
        held = await weft.identity.credentials.list_credentials(device)
        assert len([one for one in held if one.revoked_at is None]) == 1


async def test_any_type_can_be_simulated(tmp_path: Path) -> None:
    """Its values stay in the ranges it declares."""
    async with served(tmp_path) as weft:
        await weft.identity.types.save(MACHINE, "tank", TYPE)
        given = ("--type", "tank", "--devices", "1", "--prefix", "north")
        _, refused = counted(await simulate(tmp_path, *given, *QUICK))
        assert refused == 0
        latest = weft.path.twins.get(MAIN, DeviceId("north-1")).telemetry
        assert 0 <= latest["level"].value <= 5


async def test_faults_begin_on_as_many_devices_as_asked_for(tmp_path: Path) -> None:
    """And the server refuses what they say, in its inbox."""
    async with served(tmp_path) as weft:
        faults = ("--fault", "out-of-range:1", "--fault", "silence", "--after", "0")
        result = await simulate(tmp_path, "--devices", "3", *faults, *QUICK)
        _, refused = counted(result)
        assert refused > 0
        assert "out-of-range begins on simulated-machine-1" in result.stderr
        assert "silence begins on simulated-machine-2" in result.stderr
        assert await refusers(weft) == {"simulated-machine-1"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--fault", "rust"), "There is no fault 'rust'"),
        (("--fault", "silence:many"), "'many' is no number of devices"),
        (("--type", "nothing"), "nothing"),
        (("--devices", "0"), "0 is not in the range"),
    ],
)
async def test_what_cannot_be_simulated_is_refused_in_words(
    tmp_path: Path, given: tuple[str, ...], says: str
) -> None:
    """Before any device is made."""
    async with served(tmp_path) as weft:
        result = await simulate(tmp_path, *given)
        assert result.exit_code != 0
        assert says in result.stderr
        assert not await weft.identity.devices.list(MAIN)


async def test_a_type_whose_devices_speak_words_of_their_own_is_refused(tmp_path: Path) -> None:
    """The fleet would fill the rejection inbox; it says so, and makes no device."""
    async with served(tmp_path) as weft:
        mapped = TYPE | {"mapping": {"telemetry": {"level": "lvl"}}}
        await weft.identity.types.save(MACHINE, "tank", mapped)
        result = await simulate(tmp_path, "--type", "tank")
        assert result.exit_code == 2
        assert "without the mapping" in " ".join(result.stderr.split())
        assert not await weft.identity.devices.list(MAIN)


async def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    """With the exit code for that."""
    result = await simulate(tmp_path)
    assert result.exit_code == 3
    assert "weft up" in result.stderr


async def refusers(weft: Weft) -> set[str]:
    """Return whose messages are in the rejection inbox."""
    return {one.value.device_id for one in await weft.path.rejections.list(MAIN)}
