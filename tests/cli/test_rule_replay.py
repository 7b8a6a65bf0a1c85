"""`weft rule replay`: by name or from a file, compared with what there was."""

from pathlib import Path
from typing import Any

from tests.cli.support import Shell

from weft.cli.rule_replay import asked_of, replay_lines, words_of

HOT = "name: too-hot\nwhen: temperature > 80\nseverity: major\n"
JOB: dict[str, Any] = {
    "replay_id": "r-1", "state": "done", "raised": 2, "samples": 1234, "samples_per_s": 10.0,
    "same": 1, "added": 1, "missing": 3, "against": "recorded", "against_version": 0,
    "complete": True, "failures": 0, "last_failure": "", "problem": "", "assumes": [],
}  # fmt: skip


async def warmed(weft: Shell) -> None:
    """A pump that was hot once."""
    pump = await weft.world.device("pump-7")
    for value in (20, 95, 20):
        weft.world.clock.turn(60)
        body = {"temperature": value}
        await weft.world.call("POST", "/devices/me/telemetry", token=pump, body=body)


async def test_a_file_and_a_saved_rule_are_replayed(weft: Shell, tmp_path: Path) -> None:
    """The same rule, before and after it is saved."""
    await warmed(weft)
    file = tmp_path / "hot.yaml"
    file.write_text(HOT)
    tried = await weft.run("rule", "replay", str(file))
    assert tried.exit_code == 0, tried.output
    assert "It would have raised 1 alarm over 3 samples. Nothing was sent." in tried.stdout
    assert "0 the same, 1 added, 0 missing" in tried.stdout
    piped = await weft.json("rule", "replay", "-", text=HOT)
    assert isinstance(piped, dict)
    assert [one["verdict"] for one in piped["findings"]] == ["added"]
    await weft.run("rule", "add", str(file))
    saved = await weft.run("rule", "replay", "too-hot", "--against", "version")
    assert "Against version 1: 1 the same, 0 added, 0 missing." in saved.stdout
    await weft.run("rule", "replay", "too-hot", "--detach")
    listed = await weft.json("replay", "list")
    assert isinstance(listed, dict)
    assert len(listed["items"]) == 4


async def test_a_file_that_is_not_there_is_told(weft: Shell, tmp_path: Path) -> None:
    """And one that is no YAML, and a rule that is not saved."""
    gone = await weft.run("rule", "replay", str(tmp_path / "gone.yaml"))
    assert "No such file" in gone.stderr
    file = tmp_path / "broken.yaml"
    file.write_text("a: [")
    assert "is no YAML" in (await weft.run("rule", "replay", str(file))).stderr
    assert (await weft.run("rule", "replay", "gone")).exit_code == 1


def test_what_was_left_out_stays_out() -> None:
    """So that the defaults are the server's."""
    nothing = dict.fromkeys(("start", "end", "warm_up", "against_version"))
    options = {**nothing, "against": "recorded", "devices": ("a,b", "c")}
    assert asked_of(options) == {"against": "recorded", "devices": ["a", "b", "c"]}


def test_an_answer_says_what_it_is_not() -> None:
    """More than is shown, cut short, failing, not under way any more."""
    lines = "\n".join(replay_lines(JOB, [], 80))
    assert "Against the alarms that there were: 1 the same, 1 added, 3 missing." in lines
    assert "weft replay findings r-1" in lines
    more = JOB | {"complete": False, "failures": 4, "last_failure": "division by zero"}
    told = "\n".join(replay_lines(more, [], 80))
    assert "a shorter time" in told
    assert "division by zero" in told
    unfit = "\n".join(replay_lines(JOB | {"last_failure": "fan 1: no key"}, [], 80))
    assert "does not fit some devices" in unfit
    scoped = "\n".join(replay_lines(JOB | {"assumes": ["who belongs to group hall"]}, [], 80))
    assert "As of today: who belongs to group hall." in scoped
    alone = replay_lines(JOB | {"against": "nothing", "added": 0, "missing": 0, "same": 0}, [], 80)
    assert len(alone) == 1
    failed = JOB | {"state": "failed", "problem": "the disk is full"}
    assert replay_lines(failed, [], 80) == ["The replay is failed. the disk is full"]
    assert "weft replay show r-1" in replay_lines(JOB | {"state": "running"}, [], 80)[0]


def test_the_bar_says_how_fast_it_goes() -> None:
    """Or that another comes first."""
    assert words_of(JOB | {"state": "running"}) == "1,234 samples, 10/s"
    assert "another" in words_of(JOB | {"state": "queued"})
