"""Cursors: opaque, and of one tenant's one list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.api.cursors import make_cursor, read_cursor
from weft.errors import Invalid
from weft.model.ids import TenantId

MAIN, OTHER = TenantId("main"), TenantId("other")


@given(st.text(max_size=200))
def test_a_cursor_reads_back_as_it_was(after: str) -> None:
    """For any key."""
    assert read_cursor(MAIN, "devices", make_cursor(MAIN, "devices", after), str) == after


def test_another_tenant_or_list_cannot_use_it() -> None:
    """Nor can it be used as another type."""
    cursor = make_cursor(MAIN, "devices", "pump-7")
    for tenant, listing, kind in (
        (OTHER, "devices", str),
        (MAIN, "types", str),
        (MAIN, "devices", int),
    ):
        with pytest.raises(Invalid):
            read_cursor(tenant, listing, cursor, kind)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out."""
    with pytest.raises(Invalid):
        read_cursor(MAIN, "devices", text, str)
