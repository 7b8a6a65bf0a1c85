"""Vocabularies: every name is known or refused with its column and a better one."""

import pytest

from weft.errors import Invalid
from weft.groups.vocabulary import ASSETS, DEVICES, Vocabulary, rights_of
from weft.rules.language.condition import compile_condition
from weft.rules.language.syntax import Type


@pytest.mark.parametrize(
    ("text", "column", "remedy"),
    [
        ("device.lifecycl == 'active'", 7, "Did you mean 'lifecycle'?"),
        ("asset.anchestors == []", 6, "Did you mean 'ancestors'?"),
        ("conected", 1, "Did you mean 'connected'?"),
        ("1 > 0 && temperature > 80", 10, "Known: "),
        ("device", 1, "Write one of device.id"),
        ("telemetry > 3", 1, "Write telemetry.x"),
        ("device.id > 3", 11, "Compare values of one type."),
        ("device.tags == 'a'", 13, "Compare values of one type."),
        ("device.id", 7, "Compare the value"),
        ("connected > 3", 11, "Compare values of one type."),
    ],
)
def test_what_is_wrong_is_said_with_its_column_and_a_better_word(
    text: str, column: int, remedy: str
) -> None:
    """As rules do it."""
    with pytest.raises(Invalid) as refused:
        compile_condition(text, DEVICES)
    assert refused.value.detail.startswith(f"Column {column}:"), refused.value.detail
    assert refused.value.remedy.startswith(remedy), refused.value.remedy


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("has(attributes.x)", ("attributes", "x")),
        ("has(device.attributes.x)", ("attributes", "x")),
        ("has(telemetry['air-temp'])", ("telemetry", "air-temp")),
        ("has(twin.reported.x)", ("reported", "x")),
        ("has(reported.x.y)", ("reported", "x")),
        ("has(asset.attributes.x)", ("asset_attributes", "x")),
        ("connected", ("", "connected")),
    ],
)
def test_a_name_may_be_written_as_rules_write_it(text: str, path: tuple[str, str]) -> None:
    """Who knows one of the two ways is understood."""
    assert compile_condition(text, DEVICES).paths == {path}


@pytest.mark.parametrize("vocabulary", [DEVICES, ASSETS])
def test_every_name_that_is_offered_can_be_used(vocabulary: Vocabulary) -> None:
    """A suggestion leads to an expression that compiles."""
    for root, fields in vocabulary.records.items():
        for field, kind in fields.items():
            assert vocabulary.type_of((root, field)) is kind
            assert compile_condition(f"has({root}.{field})", vocabulary).paths == {(root, field)}
        assert vocabulary.example(root)
    for (root, field), source in vocabulary.nested.items():
        assert vocabulary.path_of((root, field, "x")) == (source, "x")
        assert vocabulary.type_of((source, "x")) is Type.DYN


def test_assets_know_no_devices() -> None:
    """An asset may have many; the filter over devices is the one to use."""
    with pytest.raises(Invalid, match="no name that a filter knows"):
        compile_condition("device.id == 'x'", ASSETS)


def test_values_of_devices_and_assets_take_the_right_to_read_them() -> None:
    """What an alarm or an event says itself takes none beside its own."""
    paths = [("alarm", "severity"), ("device_attributes", "line"), ("asset", "kind"), ("data", "x")]
    assert rights_of(paths) == {"device.read", "asset.read"}
    assert rights_of(paths[:1]) == frozenset()
