"""Derivations as values: what a document says by itself."""

from tests.rules.derived.support import derivation

from weft.rules.derived.model import DerivationDocument
from weft.rules.model import Selector


def test_a_derivation_is_known_by_the_key_that_it_gives() -> None:
    """Its name is its owner's word; the key is what telemetry shows."""
    assert derivation("pump-power", "power", ["voltage"]).key == "power"


def test_a_document_without_a_selector_means_every_device() -> None:
    """As a rule does."""
    assert DerivationDocument("power", "voltage * current").selector == Selector()
