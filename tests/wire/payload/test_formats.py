"""The table of formats: one name, whatever a protocol calls it."""

import pytest

from weft.errors import PayloadInvalid
from weft.wire.payload.formats import FORMATS, format_of, media_type_of_number, number_of


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/json", "json"),
        ("application/merge-patch+json", "json"),
        (" Application/CBOR ", "cbor"),
        ("application/senml+json", "senml+json"),
        ("application/senml+cbor", "senml+cbor"),
        ("text/plain; charset=UTF-8", "text"),
        ('text/plain;charset="utf-8"', "text"),
        ("application/octet-stream", "binary"),
    ],
)
def test_a_content_type_names_a_format(content_type: str, name: str) -> None:
    assert format_of(content_type) == name


@pytest.mark.parametrize("content_type", ["application/xml", "", "json", "x" * 9_999])
def test_an_unknown_one_is_refused_with_those_that_are_read(content_type: str) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        format_of(content_type)
    assert "application/senml+cbor" in refused.value.remedy
    assert len(refused.value.detail) < 250


def test_text_in_another_character_set_is_not_misread() -> None:
    with pytest.raises(PayloadInvalid, match="character set"):
        format_of("text/plain; charset=iso-8859-1")


def test_coaps_numbers_stand_for_the_same_formats() -> None:
    """RFC 7252, 12.3 and RFC 8428, 12.4."""
    for number, name in ((0, "text"), (42, "binary"), (50, "json"), (52, "json"), (60, "cbor")):
        assert format_of(media_type_of_number(number)) == name
    assert media_type_of_number(52) == "application/merge-patch+json"
    assert [number_of(one.name) for one in FORMATS] == [50, 60, 110, 112, 0, 42]
    with pytest.raises(PayloadInvalid, match="Content-Format 11542") as refused:
        media_type_of_number(11542)
    assert "60 (application/cbor)" in refused.value.remedy
