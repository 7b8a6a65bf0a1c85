"""Plans: only what the pack wrote and nobody changed is changed or taken away."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from weft.model.ids import TenantId
from weft.packs.model import Installed, Item, ItemKind, digest_of
from weft.packs.planning import Outcome, differences, plan_install, plan_removal

A = Item(ItemKind.RULE, "a", {"name": "a", "for": "1m"})
CHANGED = {"name": "a", "for": "9m"}


def installed(made: dict[str, Any], pending: dict[str, Any] | None = None) -> Installed:
    digests = {key: digest_of(document) for key, document in made.items()}
    planned = {key: digest_of(document) for key, document in (pending or {}).items()}
    return Installed(TenantId("main"), "p", "", 1, "", 0, "user:a", digests, planned)


def outcome(held: Any, before: Installed | None) -> tuple[Outcome, bool]:
    (step,) = plan_install([A], {A.key: held}, before)
    return step.outcome, step.own


def test_an_item_is_written_only_over_what_the_pack_wrote() -> None:
    """All that may stand there, with and without an install before it."""
    old = {"name": "a", "for": "2m"}
    assert outcome(None, None) == (Outcome.ADD, True)
    assert outcome(A.document, None) == (Outcome.SAME, False)
    assert outcome(CHANGED, None) == (Outcome.TAKEN, False)
    assert outcome(old, installed({A.key: old})) == (Outcome.UPDATE, True)
    assert outcome(A.document, installed({A.key: A.document})) == (Outcome.SAME, True)
    assert outcome(CHANGED, installed({A.key: A.document})) == (Outcome.KEEP, False)
    assert outcome(None, installed({A.key: A.document})) == (Outcome.KEEP, True)


def test_what_was_about_to_be_written_is_the_packs_own() -> None:
    """Cut off before or behind the write: either document is known again."""
    old = {"name": "a", "for": "2m"}
    before = installed({A.key: old}, {A.key: A.document})
    assert outcome(old, before) == (Outcome.UPDATE, True)
    assert outcome(A.document, before) == (Outcome.SAME, True)
    assert outcome(None, installed({}, {A.key: A.document})) == (Outcome.ADD, True)
    assert outcome(CHANGED, before) == (Outcome.KEEP, False)


def test_what_refers_to_others_goes_before_them() -> None:
    """A rule before its type, a machine before its plant."""
    documents: dict[str, dict[str, Any]] = {
        "asset:plant": {"asset_id": "plant"},
        "type:sensor": {"title": "Sensor"},
        "asset:pump": {"asset_id": "pump", "parent": "line"},
        "asset:line": {"asset_id": "line", "parent": "plant"},
        "rule:hot": {"name": "hot"},
    }
    steps = plan_removal(documents, installed(documents))
    assert {step.outcome for step in steps} == {Outcome.DELETE}
    assert [step.item.name for step in steps] == ["hot", "pump", "line", "plant", "sensor"]
    dropped = plan_install([], documents, installed(documents))
    assert [step.item.name for step in dropped] == [step.item.name for step in steps]


def test_what_is_computed_goes_before_what_it_is_computed_from() -> None:
    """Behind the rules, and before the type; a loop that somebody has made is no trouble."""
    documents: dict[str, dict[str, Any]] = {
        "derivation:a": {"key": "a", "value": "c * 2.0"},
        "derivation:b": {"key": "b", "value": "a * 2.0"},
        "derivation:c": {"key": "c", "value": "temperature * 2.0"},
        "rule:hot": {"name": "hot"},
        "type:sensor": {"title": "Sensor"},
    }
    steps = plan_removal(documents, installed(documents))
    assert [step.item.name for step in steps] == ["hot", "b", "a", "c", "sensor"]
    looped = {**documents, "derivation:c": {"key": "c", "value": "b * 2.0"}}
    assert len(plan_removal(looped, installed(looped))) == 5


def test_differences_name_the_place_and_both_values() -> None:
    """Deep ones by their path; a long list is cut, and says how much more there is."""
    old = {"a": {"b": 1, "c": 2}, "d": [1]}
    new = {"a": {"b": 5}, "d": [1, 2], "e": "x"}
    assert differences(old, new) == [
        "a.b: 1 becomes 5",
        "a.c: 2 goes",
        "d: [1] becomes [1, 2]",
        "e: x comes",
    ]
    many = {str(number): number for number in range(50)}
    assert differences(many, {})[-1] == "and 30 more"


DOCUMENTS = some.recursive(
    some.integers() | some.text(max_size=5) | some.booleans(),
    lambda inner: some.dictionaries(some.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


@given(DOCUMENTS, DOCUMENTS)
def test_differences_are_empty_for_equal_documents_only(old: Any, new: Any) -> None:
    """Nothing that differs is passed over in silence."""
    assert bool(differences(old, new)) is (old != new)
