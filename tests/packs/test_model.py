"""Digests: what tells a document that somebody changed from one that nobody did."""

from weft.packs.model import Item, ItemKind, digest_of, install_key


def test_a_digest_is_of_what_is_said_not_of_how_it_is_ordered() -> None:
    """A document comes back from the store with its keys in another order."""
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of({"a": [1, 2]}) != digest_of({"a": [2, 1]})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})


def test_keys_tell_kinds_and_installs_apart() -> None:
    """A rule and a type may have one name; a pack may be there under several prefixes."""
    assert Item(ItemKind.RULE, "x", {}).key != Item(ItemKind.TYPE, "x", {}).key
    assert install_key("p", "a-") != install_key("p", "")
