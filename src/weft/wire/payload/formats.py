"""The table of payload formats: by media type (HTTP, MQTT 5) and by number (CoAP).

A format has one name wherever it came from, so that a message is read again by that name
alone, long after the connection that stated it has ended.
"""

from typing import Final

from msgspec import Struct

from weft.errors import PayloadInvalid

JSON: Final = "json"
CBOR: Final = "cbor"
SENML_JSON: Final = "senml+json"
SENML_CBOR: Final = "senml+cbor"
TEXT: Final = "text"
BINARY: Final = "binary"

STATED_MAX_CHARACTERS: Final = 128  # of what a sender wrote that is quoted back


class Format(Struct, frozen=True):
    """One format and what it is called in each protocol."""

    name: str
    media_types: tuple[str, ...]  # the first is written where we have to name one
    content_formats: tuple[int, ...]  # CoAP's numbers (RFC 7252, 12.3; RFC 8428, 12.4)


FORMATS: Final = (
    # A merge patch (RFC 7396) is JSON; which patch it is, the topic or path says.
    Format(JSON, ("application/json", "application/merge-patch+json"), (50, 52)),
    Format(CBOR, ("application/cbor",), (60,)),
    Format(SENML_JSON, ("application/senml+json",), (110,)),
    Format(SENML_CBOR, ("application/senml+cbor",), (112,)),
    Format(TEXT, ("text/plain",), (0,)),
    Format(BINARY, ("application/octet-stream",), (42,)),
)

BY_NAME: Final = {known.name: known for known in FORMATS}
_BY_MEDIA_TYPE: Final = {name: known.name for known in FORMATS for name in known.media_types}
_BY_NUMBER: Final = {number: known for known in FORMATS for number in known.content_formats}


def format_of(content_type: str) -> str:
    """Return the name of the format that a content type states; raise `PayloadInvalid` for others.

    Parameters do not change what it is, but text in another character set than UTF-8 is
    refused rather than misread (RFC 7252, 12.3: 0 is `text/plain; charset=utf-8`).
    """
    media_type, _, parameters = content_type.partition(";")
    found = _BY_MEDIA_TYPE.get(media_type.strip().lower())
    if found is None:
        raise PayloadInvalid(
            f"The content type {_shown(content_type)!r} is not one that Weft reads.",
            remedy=f"Send one of: {', '.join(sorted(_BY_MEDIA_TYPE))}.",
        )
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in {"utf-8", "us-ascii"}:
            raise PayloadInvalid(
                f"The content type {_shown(content_type)!r} is in another character set.",
                remedy="Send UTF-8.",
            )
    return found


def media_type_of_number(number: int) -> str:
    """Return what a CoAP Content-Format stands for; raise `PayloadInvalid` for others."""
    found = _BY_NUMBER.get(number)
    if found is None:
        known = ", ".join(f"{one} ({_BY_NUMBER[one].media_types[0]})" for one in sorted(_BY_NUMBER))
        raise PayloadInvalid(
            f"The Content-Format {number} is not one that Weft reads.",
            remedy=f"Send one of: {known}.",
        )
    return found.media_types[found.content_formats.index(number)]


def number_of(name: str) -> int:
    """Return the CoAP Content-Format of a format, to answer with."""
    return BY_NAME[name].content_formats[0]


def _shown(text: str) -> str:
    return text if len(text) <= STATED_MAX_CHARACTERS else f"{text[:STATED_MAX_CHARACTERS]}..."
