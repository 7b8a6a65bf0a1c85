"""From a path to an operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.api.operations.table import TABLE
from weft.api.problems import Malformed
from weft.api.router import Router, methods_of

ROUTER = Router(TABLE)


def test_every_operation_is_found_at_its_path() -> None:
    """With the values of its parameters, decoded."""
    for operation in TABLE:
        path = operation.full_path
        for name in operation.parameters:
            path = path.replace("{" + name + "}", "a%2Fb%20c")
        found = ROUTER.find(path.encode())
        assert found is not None
        operations, values = found
        assert operations[operation.method] is operation
        assert values == ["a/b c"] * len(operation.parameters)


@pytest.mark.parametrize("path", [b"/", b"/api/v1", b"/api/v1/devices/", b"//api/v1/devices", b""])
def test_what_is_not_there_is_not_found(path: bytes) -> None:
    """An empty segment is no name."""
    assert ROUTER.find(path) is None


def test_a_path_that_is_no_utf8_is_malformed() -> None:
    """Percent-encoded or not."""
    for path in (b"/api/v1/devices/%ff", b"/api/v1/devices/\xff"):
        with pytest.raises(Malformed):
            ROUTER.find(path)


@given(st.binary(max_size=60))
def test_any_path_is_found_or_not(path: bytes) -> None:
    """Or malformed, and nothing else."""
    try:
        ROUTER.find(b"/api/v1/" + path)
    except Malformed:
        return


def test_allow_lists_head_beside_get() -> None:
    """And OPTIONS always."""
    found = ROUTER.find(b"/api/v1/devices/x")
    assert found is not None
    assert methods_of(found[0]) == "DELETE, GET, HEAD, OPTIONS, PATCH"
