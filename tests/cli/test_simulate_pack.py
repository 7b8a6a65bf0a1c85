"""`weft simulate --pack`: the story of a pack becomes the alarms that it promises."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.app.support import served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.cli.root import cli
from weft.packs.packs import Order
from weft.packs.reading import read_library
from weft.rules.kinds import ALARMS


@pytest.fixture(autouse=True)
def _no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are for the main thread; here the story's end ends it."""
    monkeypatch.setattr("weft.cli.simulate.stop_on_signals", lambda _stop: None)
    for name in ("WEFT_URL", "WEFT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


async def simulate(data: Path, *arguments: str) -> Result:
    """Run the command in a process' place: a thread of its own, where it has its own loop."""
    args = ["--data", str(data), "simulate", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, cli, args)


async def alarms(weft: Weft) -> Counter[tuple[str, str]]:
    found = await weft.stores.records.read(lambda reader: reader.list(ALARMS, MAIN, limit=1_000))
    return Counter((one.value.rule_id, one.value.subject.name) for one in found)


@pytest.mark.parametrize("name", ["predictive-maintenance", "cold-chain-fleet"])
async def test_the_story_of_a_pack_raises_what_its_samples_promise(
    tmp_path: Path, name: str
) -> None:
    """Told at once, nothing refused; each device at its asset, under the install's prefix.

    A truck goes on its planned route in that past, late and off its road.
    """
    pack = read_library()[name]
    async with served(tmp_path) as weft:
        await weft.business.packs.install(MACHINE, name, Order(prefix="x-"))
        result = await simulate(tmp_path, "--pack", name, "--prefix", "x-", "--speed", "10000")
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines()[-1].endswith(" 0 refused.")
        for device in pack.simulation.devices:
            held = weft.identity.devices.find(MAIN, f"x-{device.device}")
            assert held is not None
            assert held.attributes == device.attributes
            (attachment,) = weft.identity.attachments.of_device(held.uid)
            assert attachment.asset_id == f"x-{device.asset}"
        expected = {(f"x-{e.rule}", f"x-{e.device}"): e.alarms for e in pack.expects}
        assert await alarms(weft) == expected


async def test_a_pack_that_is_not_installed_says_how_to(tmp_path: Path) -> None:
    """And one that there is none of says which there are."""
    async with served(tmp_path):
        result = await simulate(tmp_path, "--pack", "predictive-maintenance", "--prefix", "y-")
        assert result.exit_code != 0
        said = result.output + str(getattr(result.exception, "remedy", ""))
        assert "weft pack install predictive-maintenance --prefix y-" in said
        result = await simulate(tmp_path, "--pack", "nothing")
        assert "predictive-maintenance" in result.output


async def test_at_the_pace_of_life_vehicles_are_on_their_planned_routes(tmp_path: Path) -> None:
    """So that the rules of delays and detours have something to say."""
    async with served(tmp_path) as weft:
        await weft.business.packs.install(MACHINE, "cold-chain-fleet", Order(prefix="x-"))
        given = ("--pack", "cold-chain-fleet", "--prefix", "x-", "--seconds", "0.5")
        result = await simulate(tmp_path, *given)
        assert result.exit_code == 0, result.output
        (trip,) = weft.path.places.trips.book.behind(MAIN, "", 10)
        assert (trip.route, trip.device_id) == ("x-hanover-hamburg", "x-truck-1")
