"""Problem details: RFC 9290."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.codes import Code
from weft.wire.coap.faults import CoapError
from weft.wire.coap.problem import Problem, decode_problem, encode_problem, problem_response


@given(
    st.builds(
        Problem,
        st.text(max_size=40),
        st.text(max_size=40),
        st.text(max_size=40),
        st.sampled_from([None, 0x84, 0xA0]),
        st.dictionaries(
            st.text(max_size=20),
            st.dictionaries(st.integers(0, 9), st.text(max_size=9), max_size=2),
            max_size=2,
        ),
    )
)
def test_a_problem_reads_as_it_was_written(problem: Problem) -> None:
    """Standard entries and custom ones."""
    assert decode_problem(encode_problem(problem)) == problem


def test_the_bytes_are_those_of_the_rfc() -> None:
    """Title is entry -1, detail -2: a map of two in the shortest form."""
    assert encode_problem(Problem("title", "d")).hex() == "a220657469746c65216164"


def test_text_may_carry_its_language() -> None:
    """Tag 38 (RFC 9290 appendix A)."""
    tagged = cbor2.dumps({-1: cbor2.CBORTag(38, ["de", "zu voll"])})
    assert decode_problem(tagged).title == "zu voll"


def test_unknown_entries_are_passed_over() -> None:
    """RFC 9290 2: a reader goes on."""
    payload = cbor2.dumps({-1: "t", -99: "new", 7: {0: 1}, "https://e.example/x": {0: 1}})
    assert decode_problem(payload) == Problem("t", custom={"https://e.example/x": {0: 1}})


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"\xa1", cbor2.dumps([1]), cbor2.dumps({-1: 5}), cbor2.dumps({-4: 999}),
     cbor2.dumps({-4: 0x20}), b"\xa1\x20\x61\xff", b"x" * 5000, b"\x81" * 4000],
)  # fmt: skip
def test_what_is_none_is_refused(payload: bytes) -> None:
    """Never anything but the peer's fault."""
    with pytest.raises(CoapError):
        decode_problem(payload)


def test_an_error_answer_says_why() -> None:
    """And when to come back."""
    response = problem_response(Code.TOO_MANY_REQUESTS, "too often", "5 in a second", max_age_s=3)
    assert (response.code, response.content_format, response.max_age_s) == (0x9D, 257, 3)
    assert decode_problem(response.payload) == Problem("too often", "5 in a second")
