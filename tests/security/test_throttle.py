import pytest

from weft.errors import RateLimited
from weft.security.throttle import Throttle, ThrottleSettings, network_of
from weft.supervision import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def throttle(clock: FakeClock) -> Throttle:
    return Throttle(clock)


def tries(throttle: Throttle, account: str, address: str, count: int) -> int:
    """How many of so many wrong guesses are evaluated."""
    evaluated = 0
    for _ in range(count):
        try:
            throttle.begin(account, address)
        except RateLimited:
            continue
        evaluated += 1
    return evaluated


def test_au_5_of_a_thousand_bad_logins_few_are_evaluated(throttle: Throttle) -> None:
    """On one account from one address, and on many accounts from one address."""
    assert tries(throttle, "ada", "192.0.2.1", 1_000) == 20
    assert sum(tries(throttle, f"user-{n}", "192.0.2.9", 1) for n in range(1_000)) == 50


def test_au_5_a_botnet_on_one_account_is_slowed_and_the_owner_gets_in(throttle: Throttle) -> None:
    """Ada signed in from home before; a thousand addresses guess; she still signs in."""
    throttle.begin("ada", "198.51.100.1")
    throttle.succeeded("ada", "198.51.100.1")
    evaluated = sum(tries(throttle, "ada", f"192.0.2.{n % 250}", 1) for n in range(1_000))
    assert evaluated == 20
    throttle.begin("ada", "198.51.100.1")


def test_au_5_an_attacker_locks_out_no_other_account(throttle: Throttle) -> None:
    """Bob from elsewhere does not notice."""
    tries(throttle, "ada", "192.0.2.1", 1_000)
    throttle.begin("bob", "198.51.100.2")


def test_au_5_nothing_is_locked_for_good(throttle: Throttle, clock: FakeClock) -> None:
    """Ada, from a new place, waits as long as she is told."""
    tries(throttle, "ada", "192.0.2.1", 1_000)
    with pytest.raises(RateLimited) as caught:
        throttle.begin("ada", "198.51.100.2")
    clock.turn(caught.value.retry_after_s)
    throttle.begin("ada", "198.51.100.2")


def test_au_5_there_is_a_limit_in_all(clock: FakeClock) -> None:
    """Each guess from another address on another account."""
    throttle = Throttle(clock, ThrottleSettings(in_all=100))
    assert sum(tries(throttle, f"u{n}", f"10.0.{n // 250}.{n % 250}", 1) for n in range(999)) == 100


def test_a_right_proof_costs_nothing(throttle: Throttle) -> None:
    """A busy script that signs in a hundred times."""
    for _ in range(100):
        throttle.begin("ada", "192.0.2.1")
        throttle.succeeded("ada", "192.0.2.1")


def test_a_proven_address_that_goes_wrong_is_slowed_too(throttle: Throttle) -> None:
    """Somebody took over the machine at Ada's address."""
    throttle.begin("ada", "192.0.2.1")
    throttle.succeeded("ada", "192.0.2.1")
    assert tries(throttle, "ada", "192.0.2.1", 1_000) == 20


def test_au_5_machine_secrets_are_slowed_by_key_id_and_address(throttle: Throttle) -> None:
    """A device with a wrong secret is not evaluated for ever; its neighbour behind the NAT is."""
    for _ in range(20):
        throttle.check_machine("key-1", "192.0.2.1")
        throttle.failed_machine("key-1", "192.0.2.1")
    with pytest.raises(RateLimited):
        throttle.check_machine("key-1", "192.0.2.1")
    throttle.check_machine("key-2", "192.0.2.1")
    throttle.check_machine("key-1", "198.51.100.1")


def test_memory_is_bounded(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of names and addresses."""
    monkeypatch.setattr("weft.security.throttle.SUBJECTS_MAX", 10)
    monkeypatch.setattr("weft.security.throttle.PROVEN_MAX", 10)
    for number in range(100):
        throttle.begin(f"u{number}", f"10.0.0.{number}")
        throttle.succeeded(f"u{number}", f"10.0.0.{number}")
        throttle.failed_machine(f"k{number}", "10.0.0.1")
    for budgets in (throttle._accounts, throttle._addresses, throttle._pairs):
        assert len(budgets._left) <= 10
    assert len(throttle._proven) <= 10


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("pipe", "pipe"),
    ],
)
def test_an_ipv6_host_is_its_network(address: str, network: str) -> None:
    """It has 2^64 addresses; they are one."""
    assert network_of(address) == network
