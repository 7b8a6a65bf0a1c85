"""Finding the server on a data folder."""

import json
import os
from pathlib import Path

import pytest
from tests.cli.support import Shell

from weft.cli.client import NoServer
from weft.cli.server import find_address, find_server, operator_client


async def test_the_server_of_the_folder_is_found_whatever_the_environment_says(
    weft: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup of this folder must not ask another server."""
    file = weft.data / "server.json"
    found = json.loads(file.read_text()) | {"version": "0.1.0", "pid": os.getpid()}
    file.write_text(json.dumps(found))
    monkeypatch.setenv("WEFT_URL", "http://127.0.0.1:1")
    assert find_address(weft.data) == found["http"]
    assert operator_client(weft.data).url == found["http"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\x00",
        json.dumps({"http": "http://127.0.0.1:1", "pid": 2**22 + 1, "version": "1"}),
    ],
)
def test_a_file_that_is_left_over_is_no_server(tmp_path: Path, text: str) -> None:
    """As of a server that was killed: its process is gone."""
    (tmp_path / "server.json").write_text(text)
    assert find_server(tmp_path) is None
    with pytest.raises(NoServer, match="No Weft runs"):
        find_address(tmp_path)


def test_without_the_file_there_is_none(tmp_path: Path) -> None:
    """An empty folder."""
    assert find_server(tmp_path) is None
