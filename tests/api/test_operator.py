"""The operator's key and tokens."""

from pathlib import Path

import pytest

from weft.api.operator import Operator, open_key, read_key
from weft.errors import ConfigurationError, Invalid
from weft.model.ids import TenantId
from weft.supervision import FakeClock

MAIN = TenantId("main")


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Mode 0600 from the first byte on."""
    key = open_key(tmp_path)
    assert open_key(tmp_path) == read_key(tmp_path) == key
    assert (tmp_path / "operator.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_not_there_or_open_to_others_is_refused(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(ConfigurationError):
        read_key(tmp_path)
    open_key(tmp_path)
    (tmp_path / "operator.key").chmod(0o640)
    with pytest.raises(ConfigurationError):
        read_key(tmp_path)


def test_only_a_fresh_token_of_this_key_is_believed() -> None:
    """Not one of another key, another tenant, another life, or none."""
    clock = FakeClock()
    operator = Operator(b"k" * 32, clock)
    token = operator.make_token(MAIN)
    found = operator.find_tenant(token)
    assert found is not None
    assert found[0] == "main"
    assert Operator(b"x" * 32, clock).find_tenant(token) is None
    for forged in (
        token.replace("main", "north"),
        token[:-1],
        "weftop/main/9999999999/",
        "",
        "///",
    ):
        assert operator.find_tenant(forged) is None
    clock.turn(61)
    assert operator.find_tenant(token) is None
    with pytest.raises(Invalid):
        operator.make_token(TenantId("a/b"))
