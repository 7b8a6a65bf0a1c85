"""The records of derived telemetry."""

from tests.rules.derived.support import derivation

from weft.rules.derived.kinds import DERIVATION_VERSIONS, DERIVATIONS, PROGRESS, ROWS


def test_versions_are_found_by_the_name_of_their_derivation() -> None:
    """They outlive it."""
    one = derivation("pump-power", "power", ["voltage"])
    assert DERIVATION_VERSIONS.index(one) == {"derivation": "pump-power"}


def test_no_two_kinds_share_a_name() -> None:
    """A record of one kind is never read as another."""
    kinds = (DERIVATIONS, DERIVATION_VERSIONS, PROGRESS, ROWS)
    assert len({kind.name for kind in kinds}) == len(kinds)
