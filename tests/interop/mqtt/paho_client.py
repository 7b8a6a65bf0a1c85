"""Runs one program of the Eclipse Paho suite, with a user name and password in each CONNECT.

    python paho_client.py SUITE-FOLDER PROGRAM PORT USER TOKEN [TEST...]

The suite knows no authentication, and Weft knows no anonymous client; nor does it tell its
results in a form to be read. So its client's `connect` is wrapped, and `unittest.main` is
ours. Each test prints one line of JSON behind `RESULT`.
"""

import json
import runpy
import sys
import time
import unittest
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

# What the suite gets wrong about MQTT 5, by the test that meets it, and what is done about it.
CORRECTED = {
    "test_subscribe_failure": (
        "its decoder stops at any refusal but 0x80, where 3.9.3 has 0x87 (not authorized): "
        "read as 0x80"
    ),
    "test_dollar_topics": (
        "its decoder stops at a PUBACK with a reason string (3.4.2.2.2): "
        "asked for none by Request Problem Information 0"
    ),
}


def main(folder: str, program: str, *rest: str) -> None:
    """Prepare the suite's clients, then run the program as if it were started itself."""
    port, username, token, *names = rest
    sys.path.insert(0, folder)
    for version in ("V311", "V5"):
        sign_in(import_module(f"mqtt.clients.{version}"), int(port), username, token)
    allow_not_authorized()
    ask_for_no_reasons()
    unittest.main = lambda: run_tests(names)  # type: ignore[assignment,misc]
    sys.argv = [program]
    runpy.run_path(str(Path(folder) / program), run_name="__main__")


def sign_in(module: Any, port: int, username: str, token: str) -> None:
    """Let every client of a module connect to us, with the credential."""
    connect: Callable[..., Any] = module.Client.connect

    def signed_in(self: Any, **options: Any) -> Any:
        options |= {"host": "127.0.0.1", "port": port}
        return connect(self, username=username, password=token.encode(), **options)

    module.Client.connect = signed_in


def ask_for_no_reasons() -> None:
    """Let every CONNECT of MQTT 5 ask for acknowledgements without reason strings (3.1.2.11.7)."""
    formats = import_module("mqtt.formats.MQTTV5")
    pack: Callable[..., bytes] = formats.Connects.pack

    def packed(self: Any) -> bytes:
        self.properties.RequestProblemInformation = 0
        return pack(self)

    formats.Connects.pack = packed


def run_tests(names: Sequence[str]) -> None:
    """Run the program's tests (all, or those named), and tell of each as it ends."""
    module = sys.modules["__main__"]
    found = unittest.defaultTestLoader.loadTestsFromTestCase(module.Test)
    chosen = [test for test in found if not names or test.id().rpartition(".")[2] in names]
    unittest.TestSuite(chosen).run(Telling())


def allow_not_authorized() -> None:
    """Let the suite read 0x87 in a SUBACK as 0x80: its decoder stops at any other refusal."""
    formats = import_module("mqtt.formats.MQTTV5")
    unpack: Callable[..., int] = formats.ReasonCodes.unpack

    def read(self: Any, buffer: bytes) -> int:
        size = unpack(self, buffer)
        if self.packetType == formats.PacketTypes.SUBACK and self.value == 0x87:
            self.value = 0x80
        return size

    formats.ReasonCodes.unpack = read


class Telling(unittest.TestResult):
    """Prints what became of each test."""

    started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802  unittest's own name
        super().startTest(test)
        self.started = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802  unittest's own name
        super().stopTest(test)
        failed = [text for one, text in self.failures + self.errors if one is test]
        name = test.id().rpartition(".")[2]
        line = {
            "name": name,
            "passed": not failed,
            "seconds": round(time.monotonic() - self.started, 1),
            "corrected": CORRECTED.get(name, ""),
            "trace": "".join(failed),
        }
        print("RESULT", json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
