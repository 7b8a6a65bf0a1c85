import pytest

from weft.errors import ConfigurationError, Invalid
from weft.security.actions import (
    ACTIONS,
    SCOPES,
    TOPIC_ACTIONS,
    Role,
    actions_of_roles,
    actions_of_scopes,
    require_action,
    require_scopes,
)

PEOPLE_ONLY = ("user.", "key.", "policy.", "tenant.", "backup.", "session.manage")


def test_az_1_an_action_that_nobody_declared_does_not_start() -> None:
    """A new route names a new action and forgets the table: Weft refuses to start."""
    with pytest.raises(ConfigurationError, match="nobody has decided"):
        require_action("device.explode")
    assert require_action("device.read").name == "device.read"


def test_az_1_every_action_has_somebody_who_may() -> None:
    """An action that nobody may do would be a dead route, or a mistake in the table."""
    for name, action in ACTIONS.items():
        assert action.roles or name in TOPIC_ACTIONS, name


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_az_6_no_scope_reaches_people_keys_policy_or_backups(name: str) -> None:
    """A stolen key of a business system never makes itself another key."""
    if name.startswith(PEOPLE_ONLY):
        assert ACTIONS[name].scope is None
        assert name not in actions_of_scopes(SCOPES)


def test_az_7_each_role_has_no_more_than_the_next() -> None:
    """Viewer, operator and tenant administrator are a ladder."""
    viewer = actions_of_roles(frozenset({Role.VIEWER}))
    operator = actions_of_roles(frozenset({Role.OPERATOR}))
    admin = actions_of_roles(frozenset({Role.TENANT_ADMIN}))
    assert viewer < operator < admin


def test_az_7_a_viewer_changes_nothing() -> None:
    """Reading and one's own session are all of it."""
    for name in actions_of_roles(frozenset({Role.VIEWER})):
        assert name.endswith(".read") or name == "session.manage", name


def test_az_7_a_platform_administrator_has_no_tenants_data() -> None:
    """Who makes tenants does not read their telemetry."""
    allowed = actions_of_roles(frozenset({Role.PLATFORM_ADMIN}))
    assert not allowed & {"device.read", "telemetry.read", "twin.read", "command.send"}
    assert {"tenant.create", "backup.create"} <= allowed


def test_a_star_stands_for_all_verbs_of_one_subject() -> None:
    """`rules:*` is rules:read and rules:write, written out."""
    assert require_scopes(("rules:*", "live:read")) == {"rules:read", "rules:write", "live:read"}


@pytest.mark.parametrize("scope", ["users:read", "*:*", "rules", "", "rules:fly", "keys:write"])
def test_a_scope_that_does_not_exist_is_refused(scope: str) -> None:
    """A typing error in a scope is said, not dropped."""
    with pytest.raises(Invalid, match="No scope"):
        require_scopes((scope,))
