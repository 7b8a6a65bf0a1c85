"""Packets are values."""

from weft.wire.mqtt.packets import NO_PROPERTIES, Filter, Properties, Publish, Subscribe


def test_packets_compare_and_hash_by_what_they_say() -> None:
    """So that tests and sets can use them."""
    assert Publish("a", b"1") == Publish("a", b"1")
    assert len({Publish("a", b"1"), Publish("a", b"1"), Publish("a", b"2")}) == 2
    assert Subscribe(1, (Filter("a"),)) == Subscribe(1, (Filter("a"),), NO_PROPERTIES)


def test_properties_show_only_what_is_set() -> None:
    """27 times None says nothing in a failed test."""
    assert repr(Properties(topic_alias=3)) == "Properties(topic_alias=3)"
