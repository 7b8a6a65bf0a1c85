"""Commands made from the table, against a real server."""

import json
from pathlib import Path

import click
import pytest
from tests.cli.support import Shell

from weft.api.operations.table import TABLE
from weft.cli.commands import make_group
from weft.cli.groups import GROUPS


def test_every_group_is_in_the_table_and_the_other_way_round() -> None:
    """The names in `weft --help` are those of the table."""
    assert {op.command.group for op in TABLE if op.command is not None} == set(GROUPS)


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_command_is_well_formed(name: str) -> None:
    """Its parameters have names of their own, and its help says what it does."""
    group = make_group(name)
    assert group.commands
    for command in group.commands.values():
        names = [parameter.name for parameter in command.params]
        assert len(set(names)) == len(names), command.name
        assert command.get_help(click.Context(command))
        silent = [p.opts for p in command.params if isinstance(p, click.Option) and not p.help]
        assert not silent, f"{command.name}: {silent} say nothing of what they take"


async def test_a_device_is_listed_shown_changed_and_deleted(weft: Shell) -> None:
    """As a person does it, with tables and a question before what destroys."""
    await weft.run("device", "add", "pump-7")
    listed = await weft.run("device", "list")
    assert "pump-7" in listed.stdout
    changed = await weft.run(
        "device", "update", "pump-7", "--label", "Pump", "--attributes", "room=3"
    )
    assert changed.exit_code == 0, changed.output
    shown = await weft.json("device", "show", "pump-7")
    assert shown["label"] == "Pump"  # type: ignore[index]  # an object
    assert shown["attributes"] == {"room": 3}  # type: ignore[index]  # an object
    assert (await weft.run("device", "delete", "pump-7", text="n\n")).exit_code == 1
    assert (await weft.run("device", "delete", "pump-7", "--yes")).exit_code == 0
    assert (await weft.run("device", "list")).stdout == (
        "No devices. Add one: weft device add pump-1\n"
    )


async def test_an_error_says_what_happened_and_what_to_do(weft: Shell) -> None:
    """On standard error, with an exit code for scripts."""
    result = await weft.run("device", "show", "pump-9")
    assert result.exit_code == 1
    assert "There is no device 'pump-9'." in result.stderr
    assert "weft device list" in result.stderr


async def test_a_document_comes_from_a_file_or_standard_input(weft: Shell, tmp_path: Path) -> None:
    """YAML or JSON, told apart by the name."""
    path = tmp_path / "pump.yaml"
    path.write_text("telemetry:\n  temperature: {type: number, unit: Cel}\n")
    assert (await weft.run("type", "save", "pump", str(path))).exit_code == 0
    fan = json.dumps({"telemetry": {"rpm": {"type": "integer"}}})
    assert (await weft.run("type", "save", "fan", "-", text=fan)).exit_code == 0
    result = await weft.run("type", "list")
    assert "pump" in result.stdout
    assert "fan" in result.stdout
    assert (await weft.run("type", "save", "x", str(tmp_path / "none.yaml"))).exit_code == 1


async def test_lists_are_read_page_by_page(weft: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit beyond the API's own asks again with the cursor."""
    monkeypatch.setattr("weft.cli.commands.PAGE_MAX", 2)
    for number in range(5):
        await weft.run("device", "add", f"d-{number}")
    found = await weft.json("device", "list", "--limit", "5")
    assert [item["device_id"] for item in found["items"]] == [f"d-{n}" for n in range(5)]  # type: ignore[index]  # an object


async def test_a_wish_is_written_over_any_version_unless_one_is_named(weft: Shell) -> None:
    """`weft twin desire` with and without --version."""
    await weft.run("device", "add", "pump-7")
    first = await weft.run("twin", "desire", "pump-7", '{"rpm": 900}')
    assert first.exit_code == 0, first.output
    stale = await weft.run("twin", "desire", "pump-7", "rpm=1200", "--version", "0")
    assert stale.exit_code == 1
    twin = await weft.json("twin", "show", "pump-7")
    assert twin["delta"] == {"rpm": 900}  # type: ignore[index]  # an object


async def test_verifying_the_audit_sets_the_exit_code(weft: Shell) -> None:
    """0 for a whole chain; scripts can rely on it."""
    await weft.run("device", "add", "pump-7")
    assert (await weft.run("audit", "verify")).exit_code == 0
    tables = weft.world.records._tables
    rows = next(
        table for (kind, tenant), table in tables.items() if (kind, tenant) == ("audit", "main")
    )
    del rows[min(rows)]
    assert (await weft.run("audit", "verify")).exit_code == 1


async def test_keys_and_invitations_are_made(weft: Shell) -> None:
    """Lists by repeating an option, or by position."""
    made = await weft.json("key", "add", "erp", "--scope", "devices:read", "--scope", "alarms:read")
    assert made["key"]["scopes"] == ["alarms:read", "devices:read"]  # type: ignore[index]  # an object
    invited = await weft.json("user", "invite", "operator", "viewer")
    assert invited["link"].startswith("http://")  # type: ignore[index]  # an object


async def test_another_tenant_is_acted_in_by_name(weft: Shell) -> None:
    """The operator holds the machine, and says for whom."""
    assert (await weft.run("tenant", "add", "north")).exit_code == 0
    await weft.run("--tenant", "north", "device", "add", "fan-1")
    assert "fan-1" in (await weft.run("--tenant", "north", "device", "list")).stdout
    assert "fan-1" not in (await weft.run("device", "list")).stdout


async def test_a_name_that_is_nearly_right_is_suggested(weft: Shell) -> None:
    """A slip of the finger costs one look, not a search."""
    await weft.run("device", "add", "pump-7")
    result = await weft.run("device", "show", "pumpp-7")
    assert result.exit_code == 1
    assert "Did you mean 'pump-7'?" in result.stderr


async def test_a_tenant_that_is_not_there_is_no_empty_one(weft: Shell) -> None:
    """A slip in --tenant must not look as if all devices were gone."""
    result = await weft.run("--tenant", "nroth", "device", "list")
    assert result.exit_code == 1
    assert "weft tenant add nroth" in result.stderr


async def test_a_mistake_in_a_rule_says_where_and_what_was_meant(
    weft: Shell, tmp_path: Path
) -> None:
    """The operator mends the file without looking anything up."""
    path = tmp_path / "rule.yaml"
    path.write_text("name: hot\nwhen: temperature > 80\nseverity: majr\n")
    result = await weft.run("rule", "add", str(path))
    assert result.exit_code == 1
    assert "severity" in result.stderr
    assert "Did you mean 'major'?" in result.stderr


async def test_a_key_gets_topic_rights_from_the_command_line(weft: Shell) -> None:
    """Without writing JSON; the token stands alone in its line, once."""
    right = "action=subscribe,filter=devices/+/telemetry"
    made = await weft.run("key", "add", "line-3", "--grant", right)
    assert made.exit_code == 0, made.output
    assert sum(line.strip().startswith("weft_") for line in made.stdout.splitlines()) == 1
    assert "devices/+/telemetry" in made.stdout


async def test_history_that_is_no_text_goes_to_a_file_as_it_is(weft: Shell) -> None:
    """Arrow is for programs; what is written is what the server sent."""
    pytest.importorskip("pyarrow")
    await weft.run("device", "add", "pump-7")
    result = await weft.run("history", "show", "pump-7", "--format", "arrow")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes
