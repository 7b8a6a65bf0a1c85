import pytest
from msgspec import structs
from tests.security.support import MAIN, OTHER

from weft.security.attempts import Attempt, Attempts, address_of, clean_claim


def attempt(number: int = 0, claimed: str = "pump-7", tenant: str = MAIN) -> Attempt:
    return Attempt(number, tenant, "192.0.2.7:4000", claimed, accepted=False, reason=f"r{number}")


def test_a_devices_owner_reads_why_it_was_refused() -> None:
    """Newest first."""
    attempts = Attempts()
    attempts.add(attempt(1))
    attempts.add(attempt(2))
    assert [a.reason for a in attempts.of_device(MAIN, "pump-7")] == ["r2", "r1"]
    assert attempts.of_device(MAIN, "pump-8") == []


def test_tn_2_a_tenant_reads_its_own_attempts_only() -> None:
    """A namesake in another tenant has none."""
    attempts = Attempts()
    attempts.add(attempt(1))
    assert attempts.of_device(OTHER, "pump-7") == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of names forgets the oldest; a flood on one name its oldest attempts."""
    monkeypatch.setattr("weft.security.attempts.SUBJECTS_MAX", 10)
    attempts = Attempts()
    for number in range(100):
        attempts.add(attempt(number, claimed=f"d{number}"))
        attempts.add(attempt(number))
    assert len(attempts._by_name) <= 10
    assert len(attempts._by_address) <= 10
    assert len(attempts.of_device(MAIN, "pump-7")) == 16


@pytest.mark.parametrize("flooding", [OTHER, ""])
def test_tn_2_a_flood_of_one_tenant_forgets_nothing_of_another(
    monkeypatch: pytest.MonkeyPatch, flooding: str
) -> None:
    """Nor does one of those who prove nothing: whoever floods pays with what itself has left."""
    monkeypatch.setattr("weft.security.attempts.SUBJECTS_MAX", 12)
    attempts = Attempts()
    for number in range(4):
        attempts.add(attempt(number, claimed=f"pump-{number}"))
    for number in range(100):
        flood = attempt(number, claimed=f"d{number}", tenant=flooding)
        attempts.add(structs.replace(flood, peer=f"198.51.100.{number}:4000"))
    assert [len(attempts.of_device(MAIN, f"pump-{number}")) for number in range(4)] == [1] * 4
    assert len(attempts.of_address(MAIN, "192.0.2.7")) == 4
    assert len(attempts.of_device(flooding, "d99")) == 1
    assert len(attempts._by_name) == 12


def test_who_comes_late_takes_from_who_holds_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant alone may use all of it, and gives it back as others come, to their share."""
    monkeypatch.setattr("weft.security.attempts.SUBJECTS_MAX", 12)
    attempts = Attempts()
    for number in range(20):
        attempts.add(attempt(number, claimed=f"d{number}"))
    for number in range(20):
        attempts.add(attempt(number, claimed=f"e{number}", tenant=OTHER))
    assert sum(bool(attempts.of_device(MAIN, f"d{number}")) for number in range(20)) == 6
    assert sum(bool(attempts.of_device(OTHER, f"e{number}")) for number in range(20)) == 6
    assert len(attempts._by_name) == 12


def test_more_tenants_than_room_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest is kept, whoever had to go for it."""
    monkeypatch.setattr("weft.security.attempts.SUBJECTS_MAX", 3)
    attempts = Attempts()
    for number in range(10):
        attempts.add(attempt(number, tenant=f"t{number}"))
    assert len(attempts._by_name) == 3
    assert len(attempts.of_device("t9", "pump-7")) == 1


def test_failed_attempts_are_found_by_where_they_came_from() -> None:
    """Who mistypes a token has no name yet, but an address; who got in is no finding."""
    attempts = Attempts()
    attempts.add(attempt(1, "(a token)", ""))
    attempts.add(structs.replace(attempt(2), accepted=True))
    assert [a.reason for a in attempts.of_address("", "192.0.2.7")] == ["r1"]
    assert attempts.of_address(MAIN, "192.0.2.7") == []
    assert [a.reason for a in attempts.unproven()] == ["r1"]


def test_what_a_peer_calls_itself_is_cut_and_escaped() -> None:
    """It ends up on a screen."""
    assert clean_claim("a\nb\x1b") == "a\\nb\\x1b"
    assert len(clean_claim("x" * 1_000)) == 128
    attempts = Attempts()
    attempts.add(attempt(claimed="a\nb"))
    assert attempts.of_device(MAIN, "a\\nb")[0].claimed == "a\\nb"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.7:4000", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::1]:4000", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_the_address_of_a_peer(peer: str, address: str) -> None:
    """Ports change with every connection; addresses count."""
    assert address_of(peer) == address
