"""Paths into a payload, as they are written in a mapping."""

from typing import Any

import pytest

from weft.errors import Invalid
from weft.registry.paths import read_path


@pytest.mark.parametrize(
    ("text", "path", "rooted"),
    [
        ("temperature", ("temperature",), False),
        ("sensor.values[0].t", ("sensor", "values", 0, "t"), False),
        ("[2].t", (2, "t"), False),
        ('rxInfo["gateway id"][1]', ("rxInfo", "gateway id", 1), False),
        ("$", (), True),
        ("$.a[0]", ("a", 0), True),
        ("$[0]", (0,), True),
        ("urn:dev:1", ("urn:dev:1",), False),
    ],
)
def test_a_path_is_read(text: str, path: tuple[Any, ...], rooted: bool) -> None:
    assert read_path(text, "here") == (path, rooted)


@pytest.mark.parametrize(
    "text",
    ["", ".a", "a..b", "a.", "a[", "a[x]", "a[-1]", "$a", "a b", '["', 5, None, "a" * 300, "a[0]b",
     ".".join("a" * 17), "a[9999999]"],
)  # fmt: skip
def test_what_is_no_path_is_refused_with_its_place(text: Any) -> None:
    with pytest.raises(Invalid, match=r"^mapping\.here") as refused:
        read_path(text, "mapping.here")
    assert refused.value.remedy
