"""Passwords of people: long, not guessable, and expensive to try (AU-3).

NIST SP 800-63B-4: at least 15 characters where the password stands alone, at most 128, no
rules on which characters, and none that an attacker tries first. Common words, runs and
what the name gives away are taken out of a password before what is left is counted.
Hashing is argon2id in a thread, few at a time, because each takes 46 MiB.
"""

import asyncio
import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib import resources

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from weft.errors import Invalid, Unavailable

LENGTH_MIN = 15
LENGTH_MAX = 128
UNCOMMON_MIN = 6  # characters that must be left when all that is common is taken out
NAME_PART_MIN = 3

MEMORY_KIB = 46 * 1024  # OWASP: argon2id with m=46 MiB, t=1, p=1
ITERATIONS = 1
AT_ONCE = 2  # 92 MiB; more only shares the same cores
WAITING_MAX = 32  # beyond, the caller is told to come back

_LEET = str.maketrans("013457@$!", "oieastasi")
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujm",
    "qwertzuiop",
    "azertyuiop",
)


def require_password(password: str, names: Iterable[str] = ()) -> str:
    """Return the password in normal form, or raise `Invalid`; `names` are those of its owner."""
    text = unicodedata.normalize("NFC", password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        raise Invalid(
            f"A password has {LENGTH_MIN} to {LENGTH_MAX} characters.",
            remedy="Four or five words that you would not write one after another will do.",
        )
    if uncommon_characters(text, names) < UNCOMMON_MIN:
        raise Invalid(
            "The password is made of what is tried first: common words, runs, or your name.",
            remedy="Add words that have nothing to do with you, this system or the keyboard.",
        )
    return text


def uncommon_characters(text: str, names: Iterable[str] = ()) -> int:
    """Return how many different characters are left without common words, runs and names."""
    left = text.casefold()
    own = {part for name in names for part in re.split(r"[^\w]+|_", name.casefold())}
    words = sorted({w for w in own if len(w) >= NAME_PART_MIN}, key=len, reverse=True)
    for word in (*words, *_common_words()):
        left = left.replace(word, " ")
    plain = text.casefold().translate(_LEET)
    for word in (*words, *_common_words()):
        plain = plain.replace(word, " ")
    return min(len(set(_without_runs(left)) - {" "}), len(set(_without_runs(plain)) - {" "}))


def _without_runs(text: str) -> str:
    text = re.sub(r"(.)\1{2,}", " ", text)
    for run in _RUNS:
        for way in (run, run[::-1]):
            for length in range(len(way), 3, -1):
                for start in range(len(way) - length + 1):
                    text = text.replace(way[start : start + length], " ")
    return text


@lru_cache(maxsize=1)
def _common_words() -> tuple[str, ...]:
    text = resources.files("weft.security").joinpath("common_words.txt").read_text("utf-8")
    words = {w for line in text.splitlines() if not line.startswith("#") for w in line.split()}
    return tuple(sorted(words, key=lambda w: (-len(w), w)))


class PasswordHasher:
    """Hashes and verifies off the event loop, few at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody = _nobody()

    async def hash(self, password: str) -> str:
        """Return the argon2id hash, with its parameters and salt in it."""
        async with _Place(self):
            return await asyncio.to_thread(_hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether it is the password; without a stored hash the same work is done for nothing."""
        text = unicodedata.normalize("NFC", password[: LENGTH_MAX + 1])
        async with _Place(self):
            matches = await asyncio.to_thread(_verify, text, stored or self._nobody)
        return matches and stored is not None

    async def enter(self) -> None:
        """Wait for a slot, or raise `Unavailable` when too many wait already."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many people sign in at this moment.", remedy="Try again.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the slot back."""
        self._slots.release()


class _Place:
    """A slot of a hasher, for one hash."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher

    async def __aenter__(self) -> None:
        await self._hasher.enter()

    async def __aexit__(self, *_error: object) -> None:
        self._hasher.leave()


@cache
def _nobody() -> str:
    """Return a hash that no password has, for those who give a name that is none."""
    return _hash(os.urandom(32).hex())


def _hash(password: str) -> str:
    kdf = Argon2id(
        salt=os.urandom(16), length=32, iterations=ITERATIONS, lanes=1, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.encode())


def _verify(password: str, stored: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), stored)
    except InvalidKey:
        return False
    return True
