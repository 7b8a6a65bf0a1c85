"""Groups are kept under their names, apart from all other records."""

from weft.groups.kinds import GROUPS, Group
from weft.model.ids import TenantId


def test_a_group_is_kept_by_name() -> None:
    """No index: a tenant has few of them."""
    group = Group(TenantId("main"), "g", "", "true", (), 1, "user:alice")
    assert GROUPS.name == "group"
    assert GROUPS.index(group) == {}
