import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.security.machine_secrets import (
    MachineSecret,
    derive_secret,
    make_secret,
    parse_secret,
)

PEPPER = b"p" * 32


def test_cr_2_a_secret_has_256_random_bits_a_prefix_and_a_checksum() -> None:
    """What secret scanners look for: `weft_`, an id, 43 characters, eight more."""
    secrets = [make_secret() for _ in range(200)]
    assert len({s.key_id for s in secrets}) == len({s.secret for s in secrets}) == 200
    for secret in secrets:
        assert len(secret.text) == 75 - 1
        assert secret.text.startswith(f"weft_{secret.key_id}_")
        assert parse_secret(secret.text) == secret


def test_cr_2_what_is_stored_does_not_match_without_the_pepper() -> None:
    """The database and a known key are not enough to make or check another."""
    secret = make_secret()
    digest = secret.digest(PEPPER)
    assert secret.secret not in digest
    assert secret.matches(digest, PEPPER)
    assert not secret.matches(digest, b"q" * 32)
    assert not make_secret().matches(digest, PEPPER)
    assert not secret.matches("0" * 64, PEPPER)


def test_a_secret_never_shows_itself_by_accident() -> None:
    """An exception or a log line with the object in it gives nothing away."""
    secret = make_secret()
    assert secret.secret not in repr(secret)
    assert secret.secret not in f"{secret}"


@pytest.mark.parametrize("position", [5, 22, 40, 66, 73])
def test_a_mistyped_secret_is_none(position: int) -> None:
    """One wrong character is told from a wrong secret: nothing is looked up."""
    text = make_secret().text
    other = "b" if text[position] != "b" else "c"
    assert parse_secret(text[:position] + other + text[position + 1 :]) is None


@given(st.text(alphabet=string.printable, max_size=100))
def test_any_other_text_is_none(text: str) -> None:
    """A password of a person, a JWT, an empty field."""
    assert parse_secret(text) is None


@pytest.mark.parametrize("text", ["", "weft_", "weft_" * 20_000, "\0", "é" * 74])
def test_odd_texts_are_none(text: str) -> None:
    """Long, short and foreign."""
    assert parse_secret(text) is None
    assert parse_secret(make_secret().text + "\n") is None


def test_the_secret_part_may_hold_underscores() -> None:
    """base64url has them; the parts are found by their lengths."""
    secret = MachineSecret("a" * 16, "_" * 43)
    assert parse_secret(secret.text) == secret


@given(serial=st.text(max_size=20), other=st.text(max_size=20))
def test_a_derived_secret_is_one_devices_and_is_read_as_any_other(serial: str, other: str) -> None:
    """Its checksum holds, and no other serial has it."""
    group = make_secret()
    derived = derive_secret(group, serial)
    assert parse_secret(derived.text) == derived
    assert derived.key_id == group.key_id
    assert (derive_secret(group, other) == derived) == (serial == other)
    assert derive_secret(make_secret(), serial).secret != derived.secret
