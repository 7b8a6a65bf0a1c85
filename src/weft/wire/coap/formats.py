"""Content-Formats: numbers of media types (RFC 7252 12.3 and the registry)."""

from enum import IntEnum


class ContentFormat(IntEnum):
    """Those that Weft reads or writes."""

    TEXT = 0
    LINK_FORMAT = 40  # RFC 6690
    XML = 41
    OCTETS = 42
    JSON = 50
    JSON_PATCH = 51
    MERGE_PATCH = 52  # RFC 7396
    CBOR = 60
    SENML_JSON = 110  # RFC 8428
    SENSML_JSON = 111
    SENML_CBOR = 112
    SENSML_CBOR = 113
    PROBLEM_DETAILS_CBOR = 257  # RFC 9290


_MEDIA_TYPES: dict[int, str] = {
    ContentFormat.TEXT: "text/plain; charset=utf-8",
    ContentFormat.LINK_FORMAT: "application/link-format",
    ContentFormat.XML: "application/xml",
    ContentFormat.OCTETS: "application/octet-stream",
    ContentFormat.JSON: "application/json",
    ContentFormat.JSON_PATCH: "application/json-patch+json",
    ContentFormat.MERGE_PATCH: "application/merge-patch+json",
    ContentFormat.CBOR: "application/cbor",
    ContentFormat.SENML_JSON: "application/senml+json",
    ContentFormat.SENSML_JSON: "application/sensml+json",
    ContentFormat.SENML_CBOR: "application/senml+cbor",
    ContentFormat.SENSML_CBOR: "application/sensml+cbor",
    ContentFormat.PROBLEM_DETAILS_CBOR: "application/concise-problem-details+cbor",
}
_NUMBERS = {name.partition(";")[0]: number for number, name in _MEDIA_TYPES.items()}


def find_media_type(number: int) -> str | None:
    """The media type that a number stands for, as far as it is known here."""
    return _MEDIA_TYPES.get(number)


def find_content_format(media_type: str) -> int | None:
    """The number of a media type; its parameters do not count."""
    return _NUMBERS.get(media_type.partition(";")[0].strip().lower())
