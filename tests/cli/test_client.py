"""Finding a server, and saying so when there is none."""

import asyncio
from pathlib import Path

import pytest
from tests.cli.support import Shell

from weft.cli.client import Client, NoServer, Refused, find_client
from weft.errors import ConfigurationError


async def test_no_server_says_how_to_start_one(tmp_path: Path, weft: Shell) -> None:
    """With the data folder that was asked for, and an exit code of its own."""
    weft.data = tmp_path / "elsewhere"
    result = await weft.run("device", "list")
    assert result.exit_code == 3
    assert f"weft up --data {weft.data}" in result.stderr


async def test_a_server_that_is_gone_is_said_to_be_gone(weft: Shell) -> None:
    """`server.json` is there and nothing answers."""
    (weft.data / "server.json").write_text('{"http": "http://127.0.0.1:9"}')
    result = await weft.run("device", "list")
    assert result.exit_code == 3
    assert "Nothing answers at http://127.0.0.1:9" in result.stderr


async def test_a_damaged_server_file_is_named(weft: Shell) -> None:
    """Not a trace."""
    (weft.data / "server.json").write_text("[]")
    result = await weft.run("device", "list")
    assert result.exit_code == 3
    assert "server.json cannot be read" in result.stderr


async def test_a_remote_server_is_used_by_url_and_token(
    weft: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment wins over the data folder."""
    url = find_client(weft.data, "main").url
    monkeypatch.setenv("WEFT_URL", url)
    with pytest.raises(ConfigurationError):
        find_client(tmp_path, "main")
    monkeypatch.setenv("WEFT_TOKEN", weft.world.admin())
    weft.data = tmp_path / "none"
    result = await weft.run("system", "whoami")
    assert "admin" in result.stdout


@pytest.mark.parametrize("url", ["weft.example", "ftp://weft.example", "http://"])
def test_an_address_is_an_address(url: str) -> None:
    """Or it is said what one looks like."""
    with pytest.raises(ConfigurationError):
        Client(url, "token")


async def test_a_key_that_others_can_read_is_not_used(weft: Shell) -> None:
    """Whoever could read it could be the operator."""
    (weft.data / "operator.key").chmod(0o644)
    result = await weft.run("device", "list")
    assert result.exit_code == 1
    assert "open to others" in result.stderr


def test_nothing_listens(tmp_path: Path) -> None:
    """As an error of ours, not of the socket's."""
    with pytest.raises(NoServer):
        Client("http://127.0.0.1:9", "token").send("GET", "/whoami")


async def test_a_command_may_take_longer_than_a_token_lives(weft: Shell) -> None:
    """What is followed for minutes signs anew for each question."""
    tokens = iter([weft.world.admin(), "one that the server does not know"])
    client = Client(find_client(weft.data, "main").url, lambda: next(tokens))
    first = await asyncio.to_thread(client.send, "GET", "/whoami")
    assert first.status == 200
    with pytest.raises(Refused) as refused:
        await asyncio.to_thread(client.send, "GET", "/whoami")
    assert refused.value.status == 401
