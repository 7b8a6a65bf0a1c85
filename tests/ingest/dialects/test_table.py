"""Which words a topic is in, and that a client hears its own."""

import pytest
from fuzz import fuzz_dialects, fuzz_requests
from fuzz.harness import run
from tests.ingest.support import Toy

from weft.errors import PeerError
from weft.ingest.dialects.table import NATIVE_ONLY, Dialects

TOYS = Dialects([Toy()])


def test_a_topic_belongs_to_the_dialect_that_it_begins_with() -> None:
    dialect = TOYS.of_topic("toy/telemetry")
    assert dialect is not None
    assert dialect.name == "toy"
    assert TOYS.of_topic("devices/me/telemetry") is None
    assert NATIVE_ONLY.of_topic("toy/telemetry") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("toy/+", "devices/gw-1/dialects/toy/+"),
        ("$share/workers/toy/#", "$share/workers/devices/gw-1/dialects/toy/#"),
        ("devices/me/#", "devices/gw-1/#"),
        ("$share/workers/devices/me/#", "$share/workers/devices/gw-1/#"),
        ("plain/topic", "plain/topic"),
    ],
)
def test_a_filter_is_put_into_native_words(written: str, meant: str) -> None:
    """Below the device's own topics, so that its own rights decide."""
    assert TOYS.native_filter(written, "gw-1") == meant
    assert TOYS.native_filter(written, "") == written


def test_a_delivery_comes_back_in_the_words_of_the_subscription() -> None:
    assert TOYS.own_topic("devices/gw-1/dialects/toy/ask/7", "gw-1") == "toy/ask/7"


@pytest.mark.parametrize(
    "topic", ["devices/gw-2/dialects/toy/ask", "devices/gw-1/dialects/other/x", "devices/gw-1/a/b"]
)
def test_another_devices_private_topic_is_not_put_into_own_words(topic: str) -> None:
    """A person who watches all devices sees whose it is."""
    assert TOYS.own_topic(topic, "gw-1") == topic
    assert TOYS.own_topic(topic, "") == topic


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated messages in every dialect; the long run is fuzz/fuzz_dialects.py."""
    found = run(
        fuzz_dialects.Harness(), fuzz_dialects.load_corpus(), inputs=4_000, seed=3, held_bytes=0
    )
    assert 0 < found["refused"] < found["inputs"] == 4_000


def test_a_short_fuzz_run_of_requests_finds_nothing() -> None:
    """ThingsBoard's over HTTP, provisioning, shadows; the long run is fuzz/fuzz_requests.py."""
    found = run(
        fuzz_requests.Harness(), fuzz_requests.load_corpus(), inputs=4_000, seed=3, held_bytes=0
    )
    assert 0 < found["refused"] < found["inputs"] == 4_000


def test_the_requests_that_the_fuzzer_begins_with_are_answered_or_refused_as_they_should() -> None:
    """A fuzzer whose requests are all refused at the door would find nothing behind it."""
    answered, refused = set(), set()
    harness = fuzz_requests.Harness()
    for one in fuzz_requests.load_corpus():
        head = one.partition(b"\n")[0].decode()
        try:
            harness(one)
        except PeerError:
            refused.add(head)
        else:
            answered.add(head)
    expected = {"POST telemetry", "POST attributes", "POST rpc", "POST rpc/5", "PROVISION"}
    expected |= {"GET rpc", "GET attributes", "SHADOW update", "SHADOW get", "SHADOW delete"}
    assert expected <= answered
    assert {"POST firmware", "POST claim", "POST rpc/6"} <= refused - answered
