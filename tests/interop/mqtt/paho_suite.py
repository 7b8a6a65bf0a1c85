"""The Eclipse Paho interoperability suite against a running Weft (MQ-9).

    python -m tests.interop.mqtt.paho_suite [SUITE-FOLDER] [TEST...]

The folder is a checkout of eclipse/paho.mqtt.testing (or `WEFT_PAHO_SUITE`); nothing of it
is part of Weft. Weft runs as in production but for three settings that the suite presumes:
a keep-alive of the server's own of 60 s, and no pause between many connections of one key.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from msgspec import Struct
from tests.interop.support import Account, RunningWeft, running_weft

PROGRAMS = {"3.1.1": ("client_test.py", 10), "5.0": ("client_test5.py", 27)}
CLIENT = Path(__file__).with_name("paho_client.py")
TIMEOUT_S = 400
SETTINGS = (
    "transports.mqtt.limits.keep_alive_s=60",  # test_server_keep_alive
    "security.limits.principal_connects.per_s=50",
    "security.limits.principal_connects.burst=500",
)


class Outcome(Struct, frozen=True):
    """What became of one test; `corrected` says what is wrong in the test itself."""

    name: str
    passed: bool
    seconds: float
    corrected: str = ""
    trace: str = ""


async def run_suite(folder: Path, names: Sequence[str] = ()) -> dict[str, list[Outcome]]:
    """Run both programs; return the outcomes by version of the protocol."""
    outcomes: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as data:
        async with running_weft(Path(data), *SETTINGS) as weft:
            key = await weft.add_key(("#",), deny=("test/nosubscribe",))
            for version, (program, _) in PROGRAMS.items():
                outcomes[version] = await run_program(folder, program, weft, key, names)
    return outcomes


async def run_program(
    folder: Path, program: str, weft: RunningWeft, key: Account, names: Sequence[str] = ()
) -> list[Outcome]:
    """Run one program of the suite in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CLIENT),
        str(folder / "interoperability"),
        program,
        str(weft.mqtt_port),
        key.username,
        key.token,
        *names,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    found = [
        json.loads(line.removeprefix("RESULT "))
        for line in output.decode(errors="replace").splitlines()
        if line.startswith("RESULT ")
    ]
    if not found and not names:
        raise RuntimeError(f"{program} told nothing:\n{output.decode(errors='replace')[-3000:]}")
    return [_outcome(one) for one in found]


def _outcome(values: dict[str, Any]) -> Outcome:
    return Outcome(**values)


def tell(outcomes: dict[str, list[Outcome]]) -> bool:
    """Print each test and the totals; return whether all passed."""
    for version, found in outcomes.items():
        for one in found:
            word = "passed" if one.passed else "FAILED"
            note = f"  ({one.corrected})" if one.corrected and version == "5.0" else ""
            print(f"{version:6} {one.name:34} {word} {one.seconds:6.1f} s{note}")
            if not one.passed:
                print(one.trace)
    for version, found in outcomes.items():
        passed = sum(one.passed for one in found)
        print(f"MQTT {version}: {passed} of {len(found)} passed")
    return all(one.passed for found in outcomes.values() for one in found)


def main() -> None:
    """Run the suite from the command line."""
    folder, *names = sys.argv[1:] or [os.environ["WEFT_PAHO_SUITE"]]
    sys.exit(0 if tell(uvloop.run(run_suite(Path(folder), names))) else 1)


if __name__ == "__main__":
    main()
