"""Documents: a payload as plain values, before anybody asks which keys it should have."""

from typing import Any

import msgspec

from weft.errors import PayloadInvalid
from weft.ingest.checks import MALFORMED, Describe
from weft.wire.payload import cbor, plain

_AS_IT_IS = Describe("field", "free JSON", ())


def parse(format_name: str, payload: bytes) -> Any:
    """Return the values of JSON, CBOR or text, None for bytes; raise `PayloadInvalid`."""
    match format_name:
        case "json":
            try:
                return msgspec.json.decode(payload)
            except MALFORMED as error:
                raise _AS_IT_IS.refusal(error) from None
        case "cbor":
            return cbor.decode(payload)
        case "text":
            return plain.decode(payload)
        case "binary":
            return None
        case _:
            raise PayloadInvalid(
                f"A document cannot be read from {format_name}.", remedy="Send JSON or CBOR."
            )
