"""Answers: each error has a code that a device acts on, and words that a person acts on."""

import cbor2
import msgspec
import pytest

from weft import errors
from weft.model.message import RejectionReason
from weft.transports.coap.answers import (
    CODES,
    NotAcceptable,
    content,
    fault,
    problem_of,
    problem_of_reason,
)
from weft.wire.coap.codes import Code, dotted
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.problem import decode_problem

EXPECTED = [
    (errors.Unauthenticated("a"), "4.01"),
    (errors.Forbidden("a"), "4.03"),
    (errors.NotFound("a"), "4.04"),
    (errors.Invalid("a"), "4.00"),
    (errors.PayloadInvalid("a"), "4.22"),
    (errors.Conflict("a"), "4.09"),
    (errors.StaleVersion("a"), "4.12"),
    (errors.TooLarge("a"), "4.13"),
    (errors.QuotaExceeded("a"), "4.29"),
    (errors.RateLimited("a", retry_after_s=2.1), "4.29"),
    (errors.Unavailable("a"), "5.03"),
    (errors.StorageError("/secret/path"), "5.03"),
]


@pytest.mark.parametrize(("error", "code"), EXPECTED, ids=lambda value: str(value)[:12])
def test_an_error_has_its_code_and_words(error: errors.WeftError, code: str) -> None:
    """RFC 9290: title and detail; what our disk says stays ours."""
    response = problem_of(error)
    assert dotted(response.code) == code
    assert response.content_format == ContentFormat.PROBLEM_DETAILS_CBOR
    found = decode_problem(response.payload)
    assert found.title in CODES
    assert "/secret" not in found.detail


def test_who_has_to_wait_is_told_how_long() -> None:
    """Max-Age, RFC 8516 and RFC 7252 5.9.3.4; never zero."""
    assert problem_of(errors.RateLimited("a", retry_after_s=2.1)).max_age_s == 3
    assert problem_of(errors.RateLimited("a", retry_after_s=0.01)).max_age_s == 1
    assert problem_of(errors.Unavailable("a")).max_age_s == 5
    assert problem_of(errors.Forbidden("a")).max_age_s is None


def test_a_refused_message_is_answered_with_its_reason_and_remedy() -> None:
    """As it stands in the inbox, cut to what fits into a datagram."""
    reason = RejectionReason("payload_invalid", "No 'temprature'.", "Did you mean 'temperature'?")
    found = decode_problem(problem_of_reason(reason).payload)
    assert found.detail == "No 'temprature'. Did you mean 'temperature'?"
    long = problem_of_reason(RejectionReason("payload_invalid", "é" * 5_000, ""))
    assert len(long.payload) < 1_300
    assert problem_of_reason(RejectionReason("of_the_future", "a", "")).code == Code.BAD_REQUEST
    assert fault().code == Code.INTERNAL_SERVER_ERROR


def test_a_value_is_json_or_cbor() -> None:
    """By what the client accepts; JSON if it does not say."""
    value = {"rpm": 900}
    for accept in (None, 50):
        assert msgspec.json.decode(content(value, accept).payload) == value
    assert cbor2.loads(content(value, 60).payload) == value
    with pytest.raises(NotAcceptable):
        content(value, 41)
