"""MQ-9: the Eclipse Paho suite, all of it, for both versions of the protocol."""

import os
from pathlib import Path

import pytest
from tests.interop.mqtt.paho_suite import PROGRAMS, TIMEOUT_S, run_suite, tell

SUITE = os.environ.get("WEFT_PAHO_SUITE", "")


@pytest.mark.slow
@pytest.mark.timeout(2 * TIMEOUT_S)
@pytest.mark.skipif(
    not SUITE, reason="WEFT_PAHO_SUITE does not name a checkout of eclipse/paho.mqtt.testing"
)
async def test_the_paho_suite_passes() -> None:
    """10 tests of MQTT 3.1.1 and 27 of MQTT 5, none left out."""
    outcomes = await run_suite(Path(SUITE))
    assert tell(outcomes)
    assert {version: len(found) for version, found in outcomes.items()} == {
        version: count for version, (_, count) in PROGRAMS.items()
    }
