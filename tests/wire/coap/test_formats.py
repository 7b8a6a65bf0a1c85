"""Content-Formats are the registry's numbers."""

import pytest

from weft.wire.coap.formats import ContentFormat, find_content_format, find_media_type


@pytest.mark.parametrize(
    ("number", "media_type"),
    [
        (0, "text/plain; charset=utf-8"),
        (40, "application/link-format"),
        (42, "application/octet-stream"),
        (50, "application/json"),
        (52, "application/merge-patch+json"),
        (60, "application/cbor"),
        (110, "application/senml+json"),
        (112, "application/senml+cbor"),
        (257, "application/concise-problem-details+cbor"),
    ],
)
def test_a_number_and_its_media_type(number: int, media_type: str) -> None:
    """Both ways."""
    assert find_media_type(number) == media_type
    assert find_content_format(media_type) == number


def test_what_is_not_known_is_none() -> None:
    """The caller answers 4.15 or 4.06."""
    assert find_media_type(65_000) is None
    assert find_content_format("image/png") is None
    assert find_content_format("Application/JSON; charset=utf-8") == ContentFormat.JSON
    assert all(find_media_type(one) for one in ContentFormat)
