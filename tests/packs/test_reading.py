"""Reading packs: each file through its own reader; what is wrong names the file."""

import shutil
from pathlib import Path

import pytest

from weft.errors import Damaged
from weft.packs.model import ItemKind
from weft.packs.reading import LIBRARY, read_library, read_pack

NAME = "predictive-maintenance"
OPTIONAL = {ItemKind.ROUTE, ItemKind.DERIVATION}  # not every use has trips, or computes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LIBRARY / NAME, tmp_path / NAME))


def test_every_pack_that_is_shipped_loads_and_has_all_its_parts() -> None:
    """Types, assets, rules, simulated devices and samples of each of them."""
    for name, pack in read_library().items():
        assert pack.name == name
        assert all(pack.of(kind) for kind in ItemKind if kind not in OPTIONAL)
        assert pack.expects
        assert {one.device for one in pack.samples} == {d.device for d in pack.simulation.devices}
        keys = [item.key for item in pack.items]
        assert len(keys) == len(set(keys))
        order = list(ItemKind)
        assert [order.index(item.kind) for item in pack.items] == sorted(
            order.index(item.kind) for item in pack.items
        ), "what others refer to is made first"


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pack.yaml", "name: predictive", "name: other", "the pack is named"),
        ("pack.yaml", "version: 1", "version: one", "version"),
        ("types/vibration-sensor.yaml", "type: number", "type: nmber", "nmber"),
        ("rules/zone-d.yaml", "mean(velocity_rms", "mean(velocity", "no telemetry key"),
        ("rules/zone-c.yaml", "type: vibration-sensor", "type: other", "no type 'other'"),
        ("rules/bearing-hot.yaml", "90[Cel]", "90[bar]", "bar"),
        ("assets.yaml", "kind: site", "sort: site", "sort"),
        ("simulation.yaml", "asset: fan-1", "asset: fan-9", "fan-1-sensor names"),
        ("simulation.yaml", "rotations: [[0, 990]", "speed: [[0, 990]", "speed"),
        ("samples.ndjson", '"rotations": 990', '"rotations": -990', "line 1"),
        ("samples.ndjson", '"at_s"', '"at"', "unknown field `at`"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(
    folder: Path, file: str, old: str, new: str, problem: str
) -> None:
    """Nothing of a pack is installed that its own readers would refuse."""
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Damaged, match=problem) as told:
        read_pack(folder)
    assert path.name in told.value.detail
    assert told.value.remedy


def computing(folder: Path, **values: str) -> None:
    """Have the pack compute keys: name and expression."""
    (folder / "derivations").mkdir()
    for name, value in values.items():
        text = f"key: {name}\nselector: {{type: vibration-sensor}}\nvalue: {value}\n"
        (folder / "derivations" / f"{name}.yaml").write_text(text)


def test_derived_telemetry_is_ordered_by_what_stands_on_what(folder: Path) -> None:
    """Whatever the files are called."""
    computing(folder, a="b + c", b="c * 2.0", c="velocity_rms * 2.0", d="temperature")
    names = [item.name for item in read_pack(folder).of(ItemKind.DERIVATION)]
    assert names == ["c", "d", "b", "a"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("value: velocity_rms", "value: velocity", "no telemetry key"),
        ("value: velocity_rms", "value: twice", "computed from itself"),
        ("key: twice", "key: temperature", "declares 'temperature'"),
        ("type: vibration-sensor", "type: other", "no type 'other'"),
        ("selector: {type: vibration-sensor}\n", "", "no type None"),
        ("key: twice", "device: total\nscope: {asset: plant}\nkey: twice", "of single devices"),
        ("key: twice", "kee: twice", "unknown field `kee`"),
    ],
)
def test_derived_telemetry_that_cannot_be_computed_is_named(
    folder: Path, old: str, new: str, problem: str
) -> None:
    """Before anything of the pack is installed."""
    computing(folder, twice="velocity_rms * 2.0")
    path = folder / "derivations" / "twice.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(Damaged, match=problem) as told:
        read_pack(folder)
    assert "derivations/twice.yaml" in told.value.detail


def test_a_rule_reads_what_the_pack_computes(folder: Path) -> None:
    """Without the derivation there is no such key."""
    rule = "name: worn\nselector: {type: vibration-sensor}\nwhen: twice > 2.0\nseverity: info\n"
    (folder / "rules" / "worn.yaml").write_text(rule)
    with pytest.raises(Damaged, match="'twice' is no telemetry key"):
        read_pack(folder)
    computing(folder, twice="velocity_rms * 2.0")
    assert "worn" in [item.name for item in read_pack(folder).of(ItemKind.RULE)]


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    """A half copied folder does not pass for a pack."""
    (folder / "assets.yaml").unlink()
    with pytest.raises(Damaged, match=r"assets\.yaml"):
        read_pack(folder)
