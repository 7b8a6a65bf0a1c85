"""`weft connector standin`: a far side as a process, and the settings that reach it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from weft.config import load_config
from weft.connectors.standins.table import STAND_INS


@pytest.mark.parametrize("kind", sorted([*STAND_INS, "tryton"]))
def test_it_serves_and_writes_settings(kind: str, tmp_path: Path) -> None:
    """The first line says where; the file is a configuration that can be started with."""
    settings = tmp_path / "weft.toml"
    listed = "/tasks.json" if kind == "tryton" else "/orders.json"
    command = [sys.executable, "-m", "weft", "connector", "standin", kind]
    options = ["--key-file", str(tmp_path / "key"), "--settings", str(settings)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        with httpx2.Client(trust_env=False) as client:
            assert client.get(said["url"] + listed).json() == []
            strange = client.get(said["url"] + "/no/such/path")
            assert strange.status_code in {401, 404}
    finally:
        process.terminate()
        process.wait(10)
    table = load_config(settings, {}).connectors["erp"]
    assert (table["url"], table["kind"]) == (said["url"], said["kind"])
    assert (tmp_path / "key").read_text() not in settings.read_text()
