"""The table: sound, or Weft does not start; and held to for every role and tenant (AZ-1)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.api.operation import PUBLIC, SIGNED_IN, Operation, is_json, require_sound
from weft.api.operations.table import TABLE
from weft.errors import ConfigurationError
from weft.security.actions import ACTIONS, Role

DECIDED = [operation for operation in TABLE if operation.action not in {PUBLIC, SIGNED_IN}]

# Beyond the policy: only the operator at the machine itself may.
AT_THE_MACHINE = {
    "start_backup",
    "get_backup",
    "export_root",
    "take_root_offline",
    "renew_intermediate",
}

IN_THE_BROWSER = {"get_browser_session"}  # likewise: by the dashboard's cookie only, no token

WORDS = {"role": "observes"}  # parameters that are one of a few words


def path_of(operation: Operation, value: str = "pump-7") -> str:
    path = operation.path
    for name in operation.parameters:
        path = path.replace("{" + name + "}", WORDS.get(name, value))
    return path


def body_of(operation: Operation) -> Any:
    return None if operation.body is None else operation.example or {}


def test_the_table_is_sound() -> None:
    """As it is shipped."""
    require_sound(TABLE, ACTIONS)


@pytest.mark.parametrize("action", ["", "device.fly"])
def test_an_operation_that_nobody_decided_about_stops_the_start(
    tmp_path: Path, action: str
) -> None:
    """A route without a policy is never served."""
    wild = replace(TABLE[0], name="wild", path="/wild", action=action)
    with pytest.raises(ConfigurationError):
        World(tmp_path, table=(*TABLE, wild))


def test_a_route_is_there_once() -> None:
    """Two operations at one route, or of one name, are a mistake."""
    with pytest.raises(ConfigurationError):
        require_sound((*TABLE, replace(TABLE[0], name="again")), ACTIONS)
    with pytest.raises(ConfigurationError):
        require_sound((*TABLE, replace(TABLE[0], path="/again")), ACTIONS)


def test_a_target_names_parameters_of_its_path_only() -> None:
    """What the policy is asked about comes from the path."""
    with pytest.raises(ConfigurationError):
        require_sound((replace(TABLE[0], target="device:{nobody}"),), ACTIONS)


@pytest.mark.parametrize("operation", DECIDED, ids=lambda operation: operation.name)
async def test_every_operation_refuses_whom_its_action_refuses(
    world: World, operation: Operation
) -> None:
    """Each route with each role, a key without scopes, a device, and nobody at all."""
    path, body = path_of(operation), body_of(operation)
    assert (await world.call(operation.method, path, body=body)).status == 401
    device = await world.device("stranger")
    assert (await world.call(operation.method, path, body=body, token=device)).status == 403
    for role in Role:
        token = world.person(f"p-{role}", role)
        answer = await world.call(
            operation.method, path, body=body, token=token, headers={"if-match": "*"}
        )
        allowed = role in ACTIONS[operation.action].roles
        allowed &= operation.name not in AT_THE_MACHINE | IN_THE_BROWSER
        assert (answer.status != 403) == allowed, (role, answer)
        assert answer.status < 500, answer


@pytest.mark.parametrize(
    "operation",
    [op for op in DECIDED if op.parameters and op.parameters[0] == "device_id"],
    ids=lambda operation: operation.name,
)
async def test_another_tenants_device_is_not_found(world: World, operation: Operation) -> None:
    """By any route that names it (TN-1)."""
    await world.device("pump-7", tenant=OTHER)
    answer = await world.call(
        operation.method,
        path_of(operation),
        token=world.admin(),
        body=body_of(operation),
        headers={"if-match": "*", "content-type": operation.accepts[0]},
    )
    assert answer.status == 404, answer


def test_what_is_built_on_json_is_json() -> None:
    """A Thing Description is read as what it is."""
    assert all(map(is_json, ("application/json", "application/td+json")))
    assert not any(map(is_json, ("application/yaml", "text/json", "application/jsonl")))
