"""Throttle: guessing is slowed per account, per address and in all (AU-5).

A machine's secret cannot be guessed, so its failures count only against the pair of key
id and address: a flood on one device's id holds up nobody else. For people only failures
cost, and an address that has proven an account before keeps a budget of its own for it,
so that wrong guesses from elsewhere never lock the owner out. Budgets refill with time;
nothing is locked for good.
"""

import ipaddress
from collections import OrderedDict
from functools import lru_cache

from msgspec import Struct

from weft.errors import RateLimited
from weft.model.moments import NS_PER_S
from weft.ports import Clock

SUBJECTS_MAX = 16_384  # of each class; the least recently used is forgotten
PROVEN_MAX = 16_384


class ThrottleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[security.throttle]`: failed proofs that are evaluated before waiting begins."""

    per_account: int = 20  # from addresses that never succeeded
    per_address: int = 50
    in_all: int = 2_000  # a fleet with one wrong credential each after a botched roll-out
    refill_s: float = 30.0  # one more try of an account or address after this
    refill_in_all_s: float = 0.1


class _Budgets:
    """Failures left by subject: refilled by time, least recently used forgotten."""

    def __init__(self, size: int, refill_s: float) -> None:
        self._size = size
        self._refill_ns = refill_s * NS_PER_S
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, subject: str, now: int) -> float:
        """Return 0 while a try is left, else the seconds until one is."""
        left = self._now_left(subject, now)
        return 0.0 if left >= 1 else (1 - left) * self._refill_ns / NS_PER_S

    def spend(self, subject: str, now: int) -> None:
        """Take one try."""
        left = self._now_left(subject, now)
        self._left[subject] = (max(0.0, left - 1), now)
        self._left.move_to_end(subject)
        if len(self._left) > SUBJECTS_MAX:
            self._left.popitem(last=False)

    def refund(self, subject: str) -> None:
        """Give one try back."""
        left, at = self._left.get(subject, (float(self._size), 0))
        self._left[subject] = (min(float(self._size), left + 1), at)

    def _now_left(self, subject: str, now: int) -> float:
        left, at = self._left.get(subject, (float(self._size), now))
        return min(float(self._size), left + max(0, now - at) / self._refill_ns)


class Throttle:
    """Says whether a proof may be tried, and learns how it went."""

    def __init__(self, clock: Clock, settings: ThrottleSettings | None = None) -> None:
        self._clock = clock
        chosen = settings or ThrottleSettings()
        self._accounts = _Budgets(chosen.per_account, chosen.refill_s)
        self._addresses = _Budgets(chosen.per_address, chosen.refill_s)
        self._pairs = _Budgets(chosen.per_account, chosen.refill_s)
        self._all = _Budgets(chosen.in_all, chosen.refill_in_all_s)
        self._proven: OrderedDict[str, None] = OrderedDict()

    def begin(self, account: str, address: str) -> None:
        """Pay for one try of `account` from `address`, or raise `RateLimited`.

        Paid before the proof is evaluated, so that a thousand tries at once are not all let in.
        """
        now = self._clock.now()
        budgets = self._budgets_of(account, address)
        wait = max(budget.wait_s(subject, now) for budget, subject in budgets)
        if wait > 0:
            raise RateLimited("Too many failed tries.", retry_after_s=wait)
        for budget, subject in budgets:
            budget.spend(subject, now)

    def succeeded(self, account: str, address: str) -> None:
        """Take note of a right proof: pay it back; this address is this account's."""
        for budget, subject in self._budgets_of(account, address):
            budget.refund(subject)
        pair = _pair(account, address)
        self._proven[pair] = None
        self._proven.move_to_end(pair)
        if len(self._proven) > PROVEN_MAX:
            self._proven.popitem(last=False)

    def _budgets_of(self, account: str, address: str) -> list[tuple[_Budgets, str]]:
        pair = _pair(account, address)
        if pair in self._proven:
            return [(self._pairs, pair)]
        return [
            (self._accounts, account),
            (self._addresses, network_of(address)),
            (self._all, ""),
        ]

    def check_machine(self, key_id: str, address: str) -> None:
        """Raise `RateLimited` unless a secret of this key id may be tried from here now."""
        wait = self._pairs.wait_s(_pair(key_id, address), self._clock.now())
        if wait > 0:
            raise RateLimited("Too many failed tries.", retry_after_s=wait)

    def failed_machine(self, key_id: str, address: str) -> None:
        """Take note of a wrong secret."""
        self._pairs.spend(_pair(key_id, address), self._clock.now())


@lru_cache(SUBJECTS_MAX)
def network_of(address: str) -> str:
    """Return what one peer can easily hold: an IPv4 address, or an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])  # a zone is our own interface
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _pair(account: str, address: str) -> str:
    return f"{account}\x1f{network_of(address)}"
