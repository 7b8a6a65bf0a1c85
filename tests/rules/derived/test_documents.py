"""Derivation documents: what was written comes back, and says no more than it said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from weft.errors import Invalid
from weft.rules.derived.documents import document_of, read_derivation
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import RuleScope, Selector

WORDS = some.text(max_size=8)
NAMES = some.text("abc-", min_size=1, max_size=5)
SELECTORS = some.builds(
    Selector,
    some.none() | WORDS,
    some.lists(WORDS, max_size=3).map(tuple),
    some.dictionaries(WORDS, some.integers() | WORDS | some.booleans(), max_size=3),
)
STALE = some.integers(0, 10_000_000).map(lambda microseconds: microseconds * 1_000)
SCOPES = some.builds(lambda name, ns: RuleScope(group=name, stale_after_ns=ns), NAMES, STALE)
SCOPES |= some.builds(lambda name, ns: RuleScope(asset=name, stale_after_ns=ns), NAMES, STALE)
DOCUMENTS = some.builds(
    DerivationDocument, WORDS, WORDS, SELECTORS, WORDS, WORDS, some.none() | SCOPES, WORDS
)


@given(DOCUMENTS)
def test_every_document_is_read_as_it_was_written(document: DerivationDocument) -> None:
    """So that a pack knows what it wrote from what somebody has changed."""
    plain = document_of(document)
    assert read_derivation(plain) == document
    assert document_of(read_derivation(plain)) == plain


def test_what_is_not_said_is_not_written() -> None:
    """As its author would have it."""
    selector = Selector(type_name="press")
    document = DerivationDocument("power", "voltage * current", selector, "W")
    assert document_of(document) == {
        "key": "power",
        "value": "voltage * current",
        "selector": {"type": "press"},
        "unit": "W",
    }
    scope = RuleScope(asset="line-1", stale_after_ns=600_000_000_000)
    rolled = DerivationDocument("power", "sum_of(power)", scope=scope, device="total")
    assert document_of(rolled) == {
        "key": "power",
        "value": "sum_of(power)",
        "scope": {"asset": "line-1", "stale_after": "600s"},
        "device": "total",
    }


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"key": "power"}, "required field `value`"),
        ({"key": "power", "value": "a", "when": "b"}, "unknown field `when`"),
        ({"key": "power", "value": "a", "selector": {"types": "b"}}, "unknown field `types`"),
        ({"key": "power", "value": 3}, "value"),
        ({"key": "power", "value": "a", "scope": {}}, "either a group or an asset"),
        ({"key": "power", "value": "a", "scope": {"asset": "a", "stale_after": "9"}}, "duration"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], problem: str) -> None:
    """With what to do about it."""
    with pytest.raises(Invalid, match=problem) as told:
        read_derivation(values)
    assert told.value.remedy
