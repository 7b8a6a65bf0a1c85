"""Documents: the same values from JSON and CBOR, one from text, none from bytes."""

import cbor2
import pytest

from weft.errors import PayloadInvalid
from weft.ingest.documents import parse


def test_each_format_is_read_as_itself() -> None:
    value = {"a": [1, 2.5, None]}
    assert parse("json", b'{"a": [1, 2.5, null]}') == value
    assert parse("cbor", cbor2.dumps(value)) == value
    assert parse("text", b"21.5") == 21.5
    assert parse("binary", b"\xff") is None


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_told(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        parse("json", payload)
    assert refused.value.remedy


def test_a_pack_is_no_document() -> None:
    with pytest.raises(PayloadInvalid, match="from senml"):
        parse("senml+json", b"[]")
