"""Other people's fuzzer over our own document: no 5xx, no undocumented answer, no leak."""

import asyncio
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from tests.api.support import OTHER, World, running

from weft.api.server import HttpServer

HOOKS = Path(__file__).with_name("foreign_bodies.py")
EXAMPLES = os.environ.get("WEFT_FUZZ_EXAMPLES", "3")  # of each operation
MARK = "belongs-to-the-other-tenant"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method"
)


@pytest.mark.slow
@pytest.mark.timeout(100 * int(EXAMPLES))
async def test_every_answer_is_documented_and_nothing_leaks(tmp_path: Path) -> None:
    """One tenant's administrator asks everything; the other's records are in no answer."""
    async with running(World(tmp_path)) as world:
        theirs = world.admin(OTHER)
        await world.call("POST", "/devices", token=theirs, body={"device_id": MARK, "label": MARK})
        await world.call(
            "POST", "/keys", token=theirs, body={"name": MARK, "scopes": ["live:read"]}
        )
        await world.device("pump-7")
        leaks: list[str] = []

        async def watched(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            asked = scope["raw_path"] + scope["query_string"]

            async def seen(message: MutableMapping[str, Any]) -> None:
                if MARK.encode() in message.get("body", b"") and MARK.encode() not in asked:
                    leaks.append(str(scope["path"]))
                await send(message)

            await world.application(scope, receive, seen)

        server = HttpServer(watched, world.settings, listen="127.0.0.1:0")
        async with server.running():
            code, output = await _run(server.url, world.admin(), tmp_path)
    assert code == 0, output[-6000:]
    assert leaks == []


async def _run(url: str, token: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{url}/api/v1/openapi.json",
        *("-H", f"Authorization: Bearer {token}"),
        *("--exclude-operation-id", "watch_live"),  # has no end; held in test_live.py
        *("--exclude-operation-id", "watch_device"),  # the same; held in test_own.py
        *("--exclude-operation-id", "watch_fleet"),  # the same; held in test_fleet_watch.py
        *("--exclude-operation-id", "simulate_type"),  # the same; held in test_onboarding.py
        *("--phases", "examples,fuzzing"),
        *("--checks", CHECKS),
        *("--max-examples", EXAMPLES, "--seed", "1", "--no-shrink", "--warnings", "off"),
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90 * int(EXAMPLES))
    return process.returncode or 0, output.decode()
