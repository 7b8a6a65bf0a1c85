"""`weft up` and `weft check`: what is said before and after anything is started."""

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from weft.api.snippets import Endpoints
from weft.app.serve import Started
from weft.cli.root import cli
from weft.cli.serve import greet

HTTP, MQTT = "http://127.0.0.1:8080", "127.0.0.1:1883"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEFT_CONFIG", raising=False)


def run(*arguments: str) -> Result:
    """Run a command that serves nothing."""
    return CliRunner().invoke(cli, list(arguments))


def greeting(**changes: object) -> str:
    """Return what is printed when Weft is ready."""
    given: dict[str, object] = {
        "endpoints": Endpoints(http=HTTP, https="", mqtt=MQTT, mqtts=""),
        "data": "/srv/weft",
        "ready_s": 0.42,
        "replayed": 0,
        "sign_up_token": "",
    }
    out = io.StringIO()
    greet(Started(**{**given, **changes}), Console(file=out, width=60))  # type: ignore[arg-type]  # of many types
    return out.getvalue()


def test_check_shows_what_would_be_in_force(tmp_path: Path) -> None:
    """From all sources, with nothing made and nothing started."""
    file = tmp_path / "weft.toml"
    file.write_text("[journal]\nkeep_hours = 48\n")
    data = tmp_path / "data"
    given = ("--config", str(file), "--data", str(data), "--set", "log.level=debug")
    result = run("check", *given)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert shown["journal"]["keep_hours"] == 48
    assert shown["log"]["level"] == "debug"
    assert "is valid" in result.stderr
    assert not data.exists()


@pytest.mark.parametrize("command", ["check", "up"])
def test_a_wrong_setting_is_refused_before_anything_is_made(tmp_path: Path, command: str) -> None:
    """With the one that was meant, on standard error, and an exit code."""
    data = tmp_path / "data"
    result = run(command, "--data", str(data), "--set", "journal.keep_hour=1")
    assert result.exit_code == 1
    assert "There is no setting journal.keep_hour." in result.stderr
    assert "keep_hours" in result.stderr
    assert not data.exists()


def test_an_unknown_demonstration_is_refused_with_those_there_are(tmp_path: Path) -> None:
    """And starts nothing else instead."""
    result = run("up", "--data", str(tmp_path / "data"), "--demo", "ship")
    assert result.exit_code == 1
    assert "'ship'" in result.stderr
    assert "factory" in result.stderr


def test_a_configuration_comes_from_the_environment_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WEFT_CONFIG names the file, WEFT_… single settings."""
    file = tmp_path / "weft.toml"
    file.write_text("[journal]\nkeep_hours = 48\n")
    monkeypatch.setenv("WEFT_CONFIG", str(file))
    monkeypatch.setenv("WEFT_LOG__LEVEL", "warning")
    shown = json.loads(run("check", "--data", str(tmp_path)).stdout)
    assert shown["journal"]["keep_hours"] == 48
    assert shown["log"]["level"] == "warning"


def test_the_greeting_says_where_everything_is() -> None:
    """And leaves out what is turned off."""
    said = greeting()
    for part in (HTTP, MQTT, "/srv/weft", "0.4 s"):
        assert part in said
    assert "HTTPS" not in said
    assert "over TLS" not in said
    assert "read again" not in said
    assert "sign-up" not in said


def test_the_greeting_tells_of_what_was_read_again() -> None:
    """After a crash, how much."""
    assert "1234 messages read again" in greeting(replayed=1234)


def test_a_link_is_printed_whole_on_one_line() -> None:
    """However narrow the terminal: a link in two pieces cannot be clicked."""
    token = "weft_" + "x" * 80
    said = greeting(sign_up_token=token)
    assert f"{HTTP}/sign-up#{token}\n" in said
    assert f"weft sign-up {token}\n" in said
    assert "10 minutes" in said


def test_a_link_goes_over_tls_where_that_is_the_only_way_in() -> None:
    """No plain listener: the link is HTTPS."""
    endpoints = Endpoints(http="", https="https://weft.example:8443", mqtt="", mqtts="")
    said = greeting(endpoints=endpoints, sign_up_token="t")
    assert "https://weft.example:8443/sign-up#t" in said
