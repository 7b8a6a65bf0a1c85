"""Commands: one for each operation that names one, made from the table.

A command takes the path's parameters and the fields it names by position, and all other
fields as options; a document comes from a file or standard input.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
from msgspec.structs import replace

from weft.api.operation import JSON, YAML, Command, Operation
from weft.api.operations.table import TABLE
from weft.cli.client import Client, Received, find_client
from weft.cli.device_add import device_add
from weft.cli.groups import GROUPS
from weft.cli.output import show, show_json
from weft.cli.parameters import Parameter, parameters_of
from weft.cli.sign_up import user_link

PAGE_MAX = 1000

BY_HAND: dict[str, tuple[click.Command, ...]] = {"device": (device_add,), "user": (user_link,)}


def make_group(name: str) -> click.Group:
    """Return a group with its commands."""
    group = click.Group(name, help=GROUPS[name])
    for operation in TABLE:
        if operation.command is not None and operation.command.group == name:
            group.add_command(make_command(operation, operation.command))
    for command in BY_HAND.get(name, ()):
        group.add_command(command)
    return group


def make_command(operation: Operation, command: Command) -> click.Command:
    """Return the command of an operation."""
    body = [] if command.file else _fields_of(operation.body)
    if operation.body_optional:
        body = [replace(field, required=False) for field in body]
    query = [field for field in _fields_of(operation.query) if field.field != "cursor"]
    renames = dict(command.renames)
    parameters: list[click.Parameter] = [
        click.Argument([name], metavar=name.upper()) for name in operation.parameters
    ]
    by_name = {field.field: field for field in body}
    parameters += [_argument(by_name[name]) for name in command.arguments]
    options = [field for field in body if field.field not in command.arguments] + query
    parameters += [_option(field, renames.get(field.field, field.field)) for field in options]
    if command.file:
        parameters.append(click.Argument(["file"], type=click.Path(allow_dash=True)))
    if operation.if_match:
        parameters.append(_version_option())
    if command.confirm:
        parameters.append(click.Option(["--yes", "-y"], is_flag=True, help="Do not ask."))
    parameters.append(click.Option(["--json", "as_json"], is_flag=True, help="For machines."))
    return click.Command(
        command.name,
        params=parameters,
        callback=_callback(operation, command, body, query),
        help="\n\n".join(text for text in (operation.summary + ".", operation.description) if text),
    )


def _fields_of(struct: Any) -> list[Parameter]:
    return parameters_of(struct) if hasattr(struct, "__struct_fields__") else []


def _argument(field: Parameter) -> click.Argument:
    return click.Argument(
        [field.field], type=field.type, nargs=-1 if field.multiple else 1, required=field.required
    )


def _option(field: Parameter, name: str) -> click.Option:
    text = name.replace("_", "-")
    return click.Option(
        [f"--{text}/--no-{text}" if field.flag else f"--{text}", field.field],
        type=None if field.flag else field.type,
        multiple=field.multiple,
        required=field.required and not field.multiple,
        default=None,
        help=field.help,
    )


def _version_option() -> click.Option:
    return click.Option(
        ["--version", "if_match"], type=int, help="The version that was read; any if left out."
    )


def _callback(
    operation: Operation, command: Command, body: list[Parameter], query: list[Parameter]
) -> Callable[..., None]:
    @click.pass_context
    def run(ctx: click.Context, /, **given: Any) -> None:
        path = {name: given.pop(name) for name in operation.parameters}
        if command.confirm and not given.pop("yes"):
            click.confirm(command.confirm.format_map(path), abort=True, err=True)
        client = find_client(ctx.obj["data"], ctx.obj["tenant"])
        headers = _headers(operation, given.pop("if_match", None))
        content, content_type = _body(operation, command, body, given)
        route = operation.path.format_map({key: quote(text, safe="") for key, text in path.items()})
        asked = _given(query, given)
        received = _send(client, operation, route, asked, (content, content_type, headers))
        if given["as_json"] or ctx.obj["json"]:
            show_json(received)
        else:
            show(received, command.columns)
        if isinstance(received, dict) and received.get("intact") is False:
            ctx.exit(1)

    return run


def _headers(operation: Operation, version: int | None) -> dict[str, str]:
    if version is not None:
        return {"If-Match": f'"{version}"'}
    return {"If-Match": "*"} if operation.if_match == "required" else {}


def _given(fields: list[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return what was said of these fields; what was left out stays out."""
    return {
        field.field: field.value_of(given[field.field])
        for field in fields
        if given.get(field.field) not in (None, ())
    }


def _body(
    operation: Operation, command: Command, fields: list[Parameter], given: dict[str, Any]
) -> tuple[bytes | None, str]:
    if command.file:
        return _read_file(given["file"])
    if operation.body is None:
        return None, JSON
    said = _given(fields, given)
    if not said and operation.body_optional:
        return None, JSON
    return json.dumps(said).encode(), JSON


def _read_file(name: str) -> tuple[bytes, str]:
    if name == "-":
        return sys.stdin.buffer.read(), YAML
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise click.FileError(name, error.strerror) from error
    return content, JSON if name.endswith(".json") else YAML


def _send(
    client: Client,
    operation: Operation,
    route: str,
    asked: dict[str, Any],
    sent: tuple[bytes | None, str, dict[str, str]],
) -> Any:
    """Send the request; a list is read page by page up to the limit that was asked for."""
    content, content_type, headers = sent

    def once(more: dict[str, Any]) -> Received:
        text = urlencode({key: _query_text(value) for key, value in more.items()})
        path = f"{route}?{text}" if text else route
        return client.send(
            operation.method, path, body=content, content_type=content_type, headers=headers
        )

    wanted = asked.get("limit")
    if operation.method != "GET" or wanted is None or wanted <= PAGE_MAX:
        return _value(once(asked))
    page = _value(once(asked | {"limit": PAGE_MAX}))
    items = page["items"]
    while page["next"] and len(items) < wanted:
        more = {"limit": min(PAGE_MAX, wanted - len(items)), "cursor": page["next"]}
        page = _value(once(asked | more))
        items += page["items"]
    return {"items": items, "next": page["next"]}


def _value(received: Received) -> Any:
    if received.headers.get("content-type", JSON).startswith(JSON):
        return received.value
    return received.content.decode()


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
