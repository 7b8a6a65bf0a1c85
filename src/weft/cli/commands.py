"""Commands: one for each operation that names one, made from the table.

A command takes the path's parameters and the fields it names by position, and all other
fields as options; a document comes from a file or standard input.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
from msgspec.structs import replace

from weft.api.operation import JSON, YAML, Command, Operation, is_json
from weft.api.operations.table import TABLE
from weft.cli.ca import export_root, renew_intermediate, take_root_offline
from weft.cli.certificate_files import authority_prove, authority_register, credential_bind
from weft.cli.claim_derive import claim_derive
from weft.cli.client import TIMEOUT_S, Client, Received, Refused, find_client
from weft.cli.connector_seal import connector_seal
from weft.cli.connector_standin import connector_standin
from weft.cli.connector_try import connector_try
from weft.cli.device_add import device_add
from weft.cli.device_import import device_import
from weft.cli.device_rotate import device_rotate
from weft.cli.groups import GROUPS
from weft.cli.layout import terminal_width
from weft.cli.output import show, show_json, show_lines, tell_more
from weft.cli.parameters import Parameter, parameters_of
from weft.cli.rule_replay import rule_replay
from weft.cli.sign_up import user_link
from weft.cli.suggestions import suggest
from weft.cli.type_decode import type_decode
from weft.cli.type_migrate import type_migrate
from weft.cli.views import VIEWS, View
from weft.cli.words import EMPTY, EXAMPLES, SLOW, SLOW_TIMEOUT_S, help_of

PAGE_MAX = 1000
LIMIT = 100  # where none is asked for, as in the API

BY_HAND: dict[str, tuple[click.Command, ...]] = {
    "type": (type_decode, type_migrate),
    "authority": (authority_register, authority_prove),
    "ca": (export_root, take_root_offline, renew_intermediate),
    "credential": (credential_bind,),
    "connector": (connector_try, connector_seal, connector_standin),
    "rule": (rule_replay,),
    "device": (device_add, device_import, device_rotate),
    "claim": (claim_derive,),
    "user": (user_link,),
}


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
    parameters += [
        _option(operation.name, field, renames.get(field.field, field.field)) for field in options
    ]
    if command.file:
        file_type = click.Path(allow_dash=True)
        parameters.append(click.Argument(["file"], metavar="FILE", type=file_type))
    if operation.if_match:
        parameters.append(_version_option())
    if command.confirm:
        parameters.append(click.Option(["--yes", "-y"], is_flag=True, help="Do not ask."))
    parameters.append(
        click.Option(["--json", "as_json"], is_flag=True, help="Answer for machines.")
    )
    return click.Command(
        command.name,
        params=parameters,
        callback=_callback(operation, command, body, query),
        help=_help_of(operation),
    )


def _help_of(operation: Operation) -> str:
    texts = [operation.summary + ".", operation.description]
    if operation.command is not None and operation.command.file:
        texts.append("FILE is YAML, or JSON if its name ends so; - reads standard input.")
    if examples := EXAMPLES.get(operation.name):
        texts.append("\b\nExample:\n" + "\n".join(f"  {line}" for line in examples))
    return "\n\n".join(filter(None, texts))


def _fields_of(struct: Any) -> list[Parameter]:
    return parameters_of(struct) if hasattr(struct, "__struct_fields__") else []


def _argument(field: Parameter) -> click.Argument:
    return click.Argument(
        [field.field],
        metavar=_metavar(field),
        type=field.type,
        nargs=-1 if field.multiple else 1,
        required=field.required,
    )


def _metavar(field: Parameter) -> str:
    if isinstance(field.type, click.Choice):
        name = "|".join(field.type.choices)
        return f"{{{name}}}..." if field.multiple else f"{{{name}}}"
    name = "NAME=VALUE" if field.document else field.field.upper()
    return f"{name}..." if field.multiple else name


def _option(operation: str, field: Parameter, name: str) -> click.Option:
    text = name.replace("_", "-")
    return click.Option(
        [f"--{text}/--no-{text}" if field.flag else f"--{text}", field.field],
        type=None if field.flag else field.type,
        multiple=field.multiple,
        required=field.required and not field.multiple,
        default=None,
        help=field.help or help_of(operation, field.field),
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
        try:
            with _waiting(operation.name):
                received = _send(client, operation, route, asked, (content, content_type, headers))
        except Refused as refused:
            raise suggest(client, refused, command.group, path) from refused
        if given["as_json"] or ctx.obj["json"]:
            _for_machines(received)
        else:
            _for_people(operation.name, command, received)
        if isinstance(received, dict) and False in {received.get("intact"), received.get("passed")}:
            ctx.exit(1)

    return run


@contextmanager
def _waiting(operation: str) -> Iterator[None]:
    """Say on a terminal that something is being read that may take minutes."""
    if operation in SLOW and sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415  only where it is seen

        with Console(stderr=True).status("Reading what was kept; Ctrl-C gives up."):
            yield
    else:
        yield


def _for_machines(received: Any) -> None:
    if isinstance(received, bytes):
        _write_bytes(received)
    else:
        show_json(received)


def _for_people(name: str, command: Command, received: Any) -> None:
    empty = isinstance(received, dict) and received.get("items") == []
    if isinstance(received, bytes):
        _write_bytes(received)
    elif name in VIEWS and isinstance(received, dict) and not empty:
        view: View = VIEWS[name]
        show_lines(view(received, terminal_width()))
        tell_more(received)
    else:
        show(received, command.columns, EMPTY.get(name, ""))


def _write_bytes(content: bytes) -> None:
    if sys.stdout.isatty():
        raise click.UsageError("That is no text: send it to a file, with >FILE.")
    sys.stdout.buffer.write(content)


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
            operation.method,
            path,
            body=content,
            content_type=content_type,
            headers=headers,
            timeout_s=SLOW_TIMEOUT_S if operation.name in SLOW else TIMEOUT_S,
        )

    wanted: int | None = asked.get("limit")
    if operation.method != "GET" or (wanted or 0) <= PAGE_MAX:
        return _value(once(asked))
    assert wanted is not None
    page = _value(once(asked | {"limit": PAGE_MAX}))
    items = page["items"]
    while page["next"] and len(items) < wanted:
        more = {"limit": min(PAGE_MAX, wanted - len(items)), "cursor": page["next"]}
        page = _value(once(asked | more))
        items += page["items"]
    return {"items": items, "next": page["next"]}


def _value(received: Received) -> Any:
    media_type = received.headers.get("content-type", JSON).partition(";")[0]
    if is_json(media_type):
        return received.value
    if media_type.startswith("text/") or media_type == YAML:
        return received.content.decode()
    return received.content


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
