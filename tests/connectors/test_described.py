"""Settings of connectors, described: read off the Structs, whole, and with a line of help."""

from typing import Any

import pytest
from msgspec import Struct

from weft.connectors.base import ConnectorSettings
from weft.connectors.credentials import Reference
from weft.connectors.described import (
    OPERATORS,
    Setting,
    has_table,
    in_force,
    settings_of,
    table_of,
)
from weft.connectors.registry import KINDS
from weft.connectors.rest import RestSettings


def named(kind: type[Struct]) -> dict[str, Setting]:
    return {one.name: one for one in settings_of(kind) if not one.of}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_setting_of_every_kind_has_a_line_of_help(kind: str) -> None:
    """Who fills in a form reads what the reference says."""
    settings = settings_of(KINDS[kind][0])
    assert [one.name for one in settings if not one.help] == []
    assert {one.type for one in settings} <= {
        "text", "number", "boolean", "choice", "list", "table"
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_said_to_be_a_reference_is_a_secret(kind: str) -> None:
    """A comment that says reference stands beside a field that is marked as one."""
    for one in settings_of(KINDS[kind][0]):
        assert not one.help.startswith("reference"), one.name
        if one.secret:
            assert one.type == "text"
            assert one.default is None


def test_what_the_operator_alone_may_say_is_left_out() -> None:
    """Whose rules may name it and which networks it reaches are not a tenant's to say."""
    for kind, _ in KINDS.values():
        assert not {one.name for one in settings_of(kind)} & set(OPERATORS)


def test_types_defaults_and_choices_are_those_of_the_struct() -> None:
    """A text that must be there, a number, a choice with its choices, a table of texts."""
    tryton, sales = named(KINDS["tryton"][0]), named(KINDS["salesforce"][0])
    assert tryton["database"] == Setting("database", "text", True, None, False, "its name")
    assert tryton["company"].default == 1
    assert not tryton["project"].required
    assert tryton["key"].secret
    assert tryton["key"].help == "a user application key with access to `rest`"
    assert sales["object"].choices == ("Case", "WorkOrder")
    assert named(KINDS["email"][0])["to"].type == "list"
    assert sales["fields"] == Setting(
        "fields", "table", False, {}, False,
        'expressions instead of the kind\'s own; "" leaves a field out',
    )  # fmt: skip


def test_a_table_that_is_one_of_several_says_which_settings_are_whose() -> None:
    """Of a basic authentication one is asked the password, of a key the key."""
    settings = settings_of(RestSettings)
    [auth] = [one for one in settings if one.name == "auth"]
    assert auth.choices == ("basic", "key", "oauth2")
    given: dict[str, Any] = {"auth": {"kind": "key"}}
    names = {one.name for one in in_force(settings, given) if one.name.startswith("auth.")}
    assert names == {"auth.key", "auth.header", "auth.prefix"}
    assert table_of("auth.key", given) == {"kind": "key"}
    assert table_of("note.said.text", {"note": "no table"}) == {}
    assert has_table("auth.key", {"auth": {}})
    assert not has_table("auth.key", {})
    assert not has_table("note.said.text", {"note": "no table"})


def test_a_kind_of_another_package_is_described_as_well() -> None:
    """What has no comment has no help; a class without a source file is no fault."""

    class Own(ConnectorSettings, frozen=True, kw_only=True):
        depth: int = 3
        key: Reference

    made = named(Own)
    assert (made["depth"].type, made["depth"].default, made["depth"].help) == ("number", 3, "")
    assert made["key"].secret
    sourceless: dict[str, Any] = {}
    exec("from msgspec import Struct\nclass Bare(Struct):\n    x: int = 1  # said", sourceless)
    assert named(sourceless["Bare"])["x"].help == ""
