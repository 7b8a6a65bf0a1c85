"""Rows: a mistake is told with its line and column, and what is written is read again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.support import MAIN

from weft.errors import Invalid
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TypeName
from weft.registry.rows import FileFormat, Row, guarded, read_rows, write_csv, write_rows

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20
).map(lambda text: text.strip() or "x")
JSON = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DEVICES = st.lists(
    st.builds(
        Device,
        tenant=st.just(MAIN),
        device_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True).map(DeviceId),
        uid=st.just(DeviceUid("u")),
        type_name=st.none() | st.just(TypeName("pump")),
        lifecycle=st.sampled_from(Lifecycle),
        created_at=st.just(0),
        label=st.just("") | TEXT,
        attributes=st.dictionaries(TEXT, JSON, max_size=3),
        gateway=st.sampled_from([DeviceUid(""), DeviceUid("u-gate")]),
        alias=st.just("") | TEXT,
        tags=st.lists(st.sampled_from(["a", "b-1", "~c"]), unique=True).map(tuple),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda device: device.device_id,
)


@given(devices=DEVICES, format_=st.sampled_from(FileFormat))
def test_what_is_written_is_read_again_and_says_the_same(
    devices: list[Device], format_: FileFormat
) -> None:
    """Export here, import there: quotes, formulas, lines and all."""
    content = write_rows(devices, format_, lambda one: "gate" if one.gateway else None, head=True)
    rows = read_rows(content, format_)
    assert [row.error for row in rows] == [None] * len(devices)
    for row, device in zip(rows, devices, strict=True):
        assert row.device_id == device.device_id
        assert (row.values.get("type_name") or None) == device.type_name
        assert row.values.get("label", "") == device.label
        assert row.values["lifecycle"] == device.lifecycle
        assert row.values.get("attributes", {}) == device.attributes
        assert tuple(row.values.get("tags", ())) == device.tags
        assert row.gateway == ("gate" if device.gateway else "")
        assert row.values.get("alias", "") == (device.alias if device.gateway else "")


@given(content=st.binary(max_size=300), format_=st.sampled_from(FileFormat))
def test_whatever_comes_is_read_or_told(content: bytes, format_: FileFormat) -> None:
    """No file ends in anything but rows or an error that says what to do."""
    told: list[Invalid] = []
    rows: list[Row] = []
    try:
        rows = read_rows(content, format_)
    except Invalid as error:
        told.append(error)
    assert all(one.remedy for one in told)
    assert rows or told
    assert all(row.line >= 1 for row in rows)
    assert all(row.error is None or row.error.remedy for row in rows)


@given(text=st.text(max_size=12))
def test_no_cell_runs_as_a_formula(text: str) -> None:
    """Also one that has a quote in front of it already."""
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    row = read_rows(b"device_id,label\n" + write_csv([["a", text.strip() or "x"]]), FileFormat.CSV)[
        0
    ]
    assert row.values["label"] == (text.strip() or "x")


def test_lines_and_columns_are_named() -> None:
    """A quoted text with a line in it does not shift the count."""
    content = (
        b'device_id,label,attributes\r\np-1,"two\r\nlines",\r\np-2,a,b,c\r\n'
        b",no name,\r\n\r\np-3,,not json\r\np-1,,\r\n"
    )
    rows = read_rows(content, FileFormat.CSV)
    told = [(row.line, row.error.column if row.error else None) for row in rows]
    assert told == [(2, None), (4, ""), (5, "device_id"), (7, "attributes"), (8, "device_id")]
    assert rows[0].values["label"] == "two\r\nlines"
    assert rows[4].error is not None
    assert "line 2" in rows[4].error.detail


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no rows"),
        (b"device_id\n", "no rows"),
        (b"device_idd\np-1\n", "device_idd"),
        (b"label\nx\n", "no column device_id"),
        (b"device_id,device_id\np,p\n", "twice"),
        (b"device_id\np-\xff\n", "Line 2 is not UTF-8"),
        (b'device_id\n"p"x\n', "Line 2 is no CSV"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_as_a_whole(content: bytes, told: str) -> None:
    """Before anything is made of it."""
    with pytest.raises(Invalid, match=told) as caught:
        read_rows(content, FileFormat.CSV)
    assert caught.value.remedy


def test_spreadsheets_of_all_countries_are_read() -> None:
    """Semicolons, tabs, a byte order mark, and `type` for type_name."""
    for content in (
        b"\xef\xbb\xbfdevice_id;type;attributes.hall\np-1;pump;2\n",
        b"device_id\ttype\tattributes.hall\np-1\tpump\t2\n",
    ):
        assert read_rows(content, FileFormat.CSV)[0].values == {
            "device_id": "p-1",
            "type_name": "pump",
            "attributes": {"hall": 2},
        }


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("[]", ""),
        ("{", ""),
        ('{"device_id": 7}', "device_id"),
        ('{"device_id": ""}', "device_id"),
        ('{"device_id": "p", "colour": "red"}', "colour"),
        ('{"device_id": "p", "attributes": []}', "attributes"),
        ('{"device_id": "p", "label": null}', "label"),
        ('{"device_id": "p", "tags": "a b"}', "tags"),
        ('{"device_id": "p", "tags": [1]}', "tags"),
        ('{"device_id": "p", "attributes": {"a": NaN}}', ""),
    ],
)
def test_an_object_that_is_no_device_is_told_with_its_line(line: str, column: str) -> None:
    """The others are read."""
    rows = read_rows(f'{{"device_id": "ok"}}\n\n{line}\n'.encode(), FileFormat.NDJSON)
    told: list[Any] = [(row.line, row.error.column if row.error else None) for row in rows]
    assert told == [(1, None), (3, column)]
