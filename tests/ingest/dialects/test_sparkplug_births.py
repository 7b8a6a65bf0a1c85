"""What aliases mean, how far a node counted, and which writes have come back."""

import pytest

from weft.errors import PayloadInvalid, QuotaExceeded
from weft.ingest.dialects import sparkplug_births
from weft.ingest.dialects.sparkplug_births import Birth, Births, Node, name_of, type_of
from weft.wire.payload.sparkplug import DataType, Metric

TEMPERATURE = Metric("temperature", 1, datatype=DataType.DOUBLE)
KEY = ("acme", "uid-1", "plant", "edge-1")


def test_an_alias_means_what_the_birth_said() -> None:
    birth = Birth([TEMPERATURE])
    told = Metric(alias=1, value=21.5)
    assert name_of(told, birth) == "temperature"
    assert type_of("temperature", told, birth) == DataType.DOUBLE
    assert type_of("temperature", Metric(datatype=DataType.INT8), birth) == DataType.INT8
    assert name_of(Metric(alias=2), birth) is None
    assert name_of(told, None) is None
    assert name_of(Metric("rpm"), None) == "rpm"


def test_a_birth_names_everything() -> None:
    with pytest.raises(PayloadInvalid):
        Birth([Metric(alias=1)])


@pytest.mark.parametrize(
    ("numbers", "follows"),
    [((0, 1), True), ((255, 0), True), ((0, 2), False), ((1, 1), False), ((3, None), False)],
)
def test_the_count_goes_round(numbers: tuple[int, int | None], *, follows: bool) -> None:
    """From 255 to 0; what is left out or comes twice is seen."""
    node = Node()
    node.sequence = numbers[0]
    assert node.counts(numbers[1]) is follows


def test_who_was_never_born_does_not_count() -> None:
    assert not Node().counts(5)


def test_a_nodes_birth_forgets_those_of_its_devices_and_a_devices_keeps_the_others() -> None:
    node = Node()
    for device in ("", "motor", "pump"):
        node.born(device, [TEMPERATURE])
    assert set(node.births) == {"", "motor", "pump"}
    node.born("", [TEMPERATURE])
    assert set(node.births) == {""}


def test_a_write_has_come_back_when_all_its_values_have() -> None:
    """In one message or several."""
    node = Node()
    node.expect("motor", "r-1", {"rpm": 900, "on": True})
    assert node.take_written("motor", {"rpm": 800, "on": False}) == []
    assert node.take_written("motor", {"rpm": 900}) == []
    assert node.take_written("pump", {"on": True}) == []
    assert node.take_written("motor", {"on": True}) == ["r-1"]
    assert node.take_written("motor", {"on": True}) == []


def test_a_write_has_come_back_as_its_type_carries_it() -> None:
    """A FLOAT has 32 bits: of 21.7 comes 21.700000762939453, alone or in an array."""
    node = Node()
    node.born(
        "oven",
        [
            Metric("setpoint", datatype=DataType.FLOAT),
            Metric("curve", datatype=DataType.FLOAT_ARRAY),
            Metric("exact", datatype=DataType.DOUBLE),
        ],
    )
    node.expect("oven", "r-1", {"setpoint": 21.7, "curve": [0.1, None, 2]})
    node.expect("oven", "r-2", {"exact": 21.7})
    node.expect("oven", "r-3", {"setpoint": 21.8})
    carried = {"setpoint": 21.700000762939453, "exact": 21.700000762939453}
    assert node.take_written("oven", carried) == []
    assert node.take_written("oven", {"curve": [0.10000000149011612, None, 2.0]}) == ["r-1"]
    assert node.take_written("oven", {"setpoint": 21.8, "exact": 21.7}) == ["r-2", "r-3"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In nodes, metrics and writes."""
    monkeypatch.setattr(sparkplug_births, "NODES_MAX", 3)
    monkeypatch.setattr(sparkplug_births, "METRICS_MAX", 2)
    births = Births()
    for number in range(9):
        births.of(("acme", f"uid-{number}", "plant", "edge"))
    assert len(births) == 3
    node = births.of(KEY)
    node.born("a", [TEMPERATURE])
    node.born("a", [TEMPERATURE])
    with pytest.raises(QuotaExceeded):
        node.born("b", [TEMPERATURE, Metric("rpm")])
    for number in range(500):
        node.expect("a", f"r-{number}", {"x": 1})
    assert len(node.pending["a"]) == sparkplug_births.PENDING_MAX


def test_one_device_takes_no_room_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its groups are its own to name: a new one takes the place of its oldest."""
    monkeypatch.setattr(sparkplug_births, "NAMES_MAX_CHARACTERS", 20)
    births = Births()
    births.of(KEY)
    for number in range(100):
        births.begin(("acme", "uid-other", f"group-{number}", "edge"))
    assert births.find(KEY) is not None
    assert len(births) == 1 + sparkplug_births.NODES_PER_OWNER
    assert births.find(("acme", "uid-other", "group-99", "edge")) is not None
    for number in range(100):
        births.end(("acme", "uid-other", f"group-{number}", "edge"))
    assert len(births) == 1
    with pytest.raises(QuotaExceeded, match="characters"):
        births.of(KEY).born("", [Metric("a" * 21)])


def test_a_new_birth_keeps_what_is_being_written_and_a_death_forgets_all() -> None:
    births = Births()
    births.of(KEY).expect("", "r-1", {"x": 1})
    births.of(KEY).born("", [TEMPERATURE])
    node = births.begin(KEY)
    assert node.births == {}
    assert node.take_written("", {"x": 1}) == ["r-1"]
    births.end(KEY)
    assert births.find(KEY) is None
