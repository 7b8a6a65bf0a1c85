"""The reference pages, written from the code, so that they cannot disagree with it.

`scripts/reference` writes them; a test fails when one is out of date. Each setting's reason is
the comment beside it, each error's meaning its docstring, each command's text its own help.
"""

import importlib
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal

import click
import msgspec
from msgspec import NODEFAULT, Struct
from prometheus_client.metrics import MetricWrapperBase

import weft
from weft.api.operation import PUBLIC, SIGNED_IN, Operation
from weft.api.operations.table import TABLE
from weft.api.problems import status_of
from weft.cli.root import cli
from weft.config import Config
from weft.connectors.authentication import Basic, Key, OAuth2
from weft.connectors.certified import ClientCertificate
from weft.connectors.registry import KINDS
from weft.connectors.rest import Create, Find, Note, Said, Status
from weft.errors import WeftError
from weft.rules.durations import MAX_NS
from weft.rules.feeds.ranks import KEPT_MAX
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.feeds.windows import EXACT_MAX, PANES, SAMPLES_MAX
from weft.rules.language.parse import MAX_DEPTH
from weft.rules.language.stateful import NESTED_MAX
from weft.rules.language.tokens import MAX_CHARACTERS

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTICE = "<!-- Written by scripts/reference from the code. Change the code, not this page. -->"
WIDTH = 96

_COMMENT = re.compile(r"^    (\w+):.*?#\s(.+)$")
CONNECTOR_PARTS = (Basic, Key, OAuth2, ClientCertificate, Find, Create, Status, Note, Said)


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    for module in pkgutil.walk_packages(weft.__path__, "weft."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    made = {
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "metrics.md": metrics_page(),
        "rest.md": rest_page(),
        "commands.md": commands_page(),
        "rule-language.md": language_page(),
    }
    return {name: f"{NOTICE}\n\n{text.rstrip()}\n" for name, text in made.items()}


# --- the language of rules ---


def language_page() -> str:
    """What a condition may say, and every function that remembers."""
    lines = [
        "# The language of rules",
        "",
        "A subset of [CEL](https://cel.dev), and functions that remember samples of the device.",
        f"A condition has at most {MAX_CHARACTERS:,} characters and {MAX_DEPTH} levels.",
        "",
        "| what | is written |",
        "|---|---|",
        "| numbers, texts, truth | `80`, `1.5`, `'run'`, `true`, `false`, `null`, `[1, 2]` |",
        "| a number with its unit | `176[degF]`, `5[bar]`, `2[K/min]`: UCUM, right behind it |",
        f"| a time | `200ms`, `90s`, `1h30m`, `7d`; at most {MAX_NS // 86_400 // 10**9} days |",
        f"| a count | `10 samples`; at most {SAMPLES_MAX} |",
        "| operators | `+ - * / %`, `< <= > >= == !=`, `&& \\|\\| !`, `? :`, `in`, `[]` |",
        "| functions of one moment | `abs` `min` `max` `size` `int` `double` `string` `has` |",
        "| of texts | `startsWith` `endsWith` `contains`, as in `mode.contains('x')` |",
        "",
        "## Functions that remember",
        "",
        "| function | gives | |",
        "|---|---|---|",
    ]
    for function in FUNCTIONS.values():
        places = [f"{one.name}?" if one.optional else one.name for one in function.parameters]
        call = f"`{function.name}({', '.join(places)})`"
        gives = "as it is given" if function.gives == "same" else function.gives
        lines.append(f"| {call} | {gives} | {function.doc} `{function.example}` |")
    lines += [
        "",
        "- A window ends with its newest sample and reaches back for its length. It moves on with",
        "  its samples, and by the clock when none comes for its whole length: it is empty then.",
        "- Every sample counts the same. One of the same moment replaces the earlier; a late one",
        "  is put in its place; one older than the window is passed over.",
        f"- Up to {EXACT_MAX} samples of a time are kept as they came; beyond it they are joined",
        f"  in panes of 1/{PANES} of the window. A percentile looks at every second sample beyond",
        f"  {KEPT_MAX}, then at every fourth, and so on.",
        "- What is unknown (no sample yet, an empty window) neither raises nor clears.",
        "- A sample whose expression is absent or fails is none.",
        f"- Functions are nested at most {NESTED_MAX} deep, as in `mean(rate(energy, 1m), 1h)`.",
        "- `delta`, `increase` and `stddev` have the unit of a difference; `rate` and `slope` that",
        "  unit a second, as in `rate(temperature, 5m) > 2[K/min]`.",
    ]
    return "\n".join(lines)


# --- settings ---


def settings_page() -> str:
    """Every setting with its type, its default and why that is so."""
    lines = [
        "# Settings",
        "",
        "Weft starts well with none. They are read from a TOML file (`weft up --config FILE`),",
        "then from variables (`WEFT_API__LISTEN=…`: two underscores between table and name), then",
        "from `--set api.listen=…`; later ones win. `weft check` shows what is in force. A name",
        "that does not exist is refused.",
    ]
    for path, kind in tables(Config):
        lines += ["", f"## `[{path}]`", "", *_about(kind, path), *_rows(kind)]
    lines += [
        "",
        "## `[connectors.NAME]`",
        "",
        "A business system; `kind` says which. Any number of tables, each with a name of its own.",
    ]
    for name, (kind, _) in sorted(KINDS.items()):
        lines += ["", f'### `kind = "{name}"`', "", *_about(kind, name), *_rows(kind)]
    lines += ["", "## Within `[connectors.NAME]`"]
    for part in CONNECTOR_PARTS:
        lines += ["", f"### {_title(part)}", "", *_about(part, ""), *_rows(part)]
    return "\n".join(lines)


def _title(part: type[Struct]) -> str:
    """Return what a part of a table is called: what its docstring begins with, in backticks."""
    return f"`{(inspect.getdoc(part) or '').split('`')[1]}`"


def tables(kind: type[Struct], path: str = "") -> Iterator[tuple[str, type[Struct]]]:
    """Yield (path, Struct) of each table that has settings of its own, outermost first."""
    hints = typing.get_type_hints(kind)
    if path and any(not _is_table(hint) for hint in hints.values()):
        yield path, kind
    for name, hint in hints.items():
        if _is_table(hint):
            yield from tables(hint, f"{path}.{name}" if path else name)


def settings(kind: type[Struct] = Config) -> Iterator[str]:
    """Yield the path of every setting that is no table."""
    for path, table in tables(kind):
        hints = typing.get_type_hints(table)
        yield from (f"{path}.{name}" for name, hint in hints.items() if not _is_table(hint))


def _is_table(hint: Any) -> bool:
    """Whether a field is a table of settings, not a value that happens to be a Struct."""
    return isinstance(hint, type) and issubclass(hint, Struct) and _has_defaults(hint)


def _has_defaults(kind: type[Struct]) -> bool:
    return all(field.default is not NODEFAULT or field.default_factory is not NODEFAULT
               for field in msgspec.structs.fields(kind))  # fmt: skip


def _about(kind: type[Struct], path: str) -> list[str]:
    text = inspect.getdoc(kind) or ""
    text = text.split("\n\n")[0].replace("\n", " ").removeprefix(f"`[{path}]`: ")
    return [text[:1].upper() + text[1:], ""]


def _rows(kind: type[Struct]) -> list[str]:
    reasons = _reasons(kind)
    hints = typing.get_type_hints(kind)
    rows = ["| setting | type | default | why |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if _is_table(hint):
            continue
        default = _default(field)
        rows.append(
            f"| `{field.encode_name}` | {_type_name(hint)} | {default} "
            f"| {_cell(reasons.get(field.name, ''))} |"
        )
    return rows


def _reasons(kind: type[Struct]) -> dict[str, str]:
    """Return the comment beside each field, bases first."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base is not Struct and issubclass(base, Struct):
            for line in inspect.getsource(base).splitlines():
                if match := _COMMENT.match(line):
                    found[match[1]] = match[2]
    return found


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not NODEFAULT:
        value = field.default
    elif field.default_factory is not NODEFAULT:
        value = field.default_factory()
    else:
        return "*required*"
    return f"`{msgspec.json.encode(value).decode()}`"


def _type_name(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, UnionType):
        return " or ".join(_type_name(part) for part in arguments if part is not NoneType)
    if origin in (tuple, list):
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return "table"
    if isinstance(hint, type) and issubclass(hint, Struct):
        fields = ", ".join(hint.__struct_fields__)
        return f"table ({fields})"
    return {str: "text", bool: "true or false", int: "integer", float: "number"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- errors ---


def errors_page() -> str:
    """Every error code with its status and meaning."""
    lines = [
        "# Errors",
        "",
        "Every error has a stable `code`, says what happened (`detail`) and what to do",
        "(`remedy`). Over HTTP it is problem+json (RFC 9457) with the status given here; the same",
        "codes stand in the rejection inbox, the audit and the log.",
        "",
        "| code | status | means |",
        "|---|---|---|",
    ]
    for code, kinds in sorted(errors().items()):
        about = " ".join(_first(kind) for kind in kinds)
        status = "/".join(sorted({str(status_of(kind)) for kind in kinds}))
        lines.append(f"| `{code}` | {status} | {_cell(about)} |")
    return "\n".join(lines)


def errors() -> dict[str, list[type[WeftError]]]:
    """Return the classes of every error code."""
    found: dict[str, list[type[WeftError]]] = {}
    waiting: list[type[WeftError]] = [WeftError]
    while waiting:
        kind = waiting.pop(0)
        waiting += sorted(kind.__subclasses__(), key=lambda one: one.__qualname__)
        own = "code" in vars(kind)
        if kind.__module__.partition(".")[0] == "weft" and own:
            found.setdefault(kind.code, []).append(kind)
    return found


def _first(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


# --- metrics ---


def metrics_page() -> str:
    """Every metric of our own."""
    lines = [
        "# Metrics",
        "",
        "`GET /api/v1/metrics` answers in the format of Prometheus. Beside these stand those of",
        "the Python process itself (`python_…`, `process_…`).",
        "",
        "| metric | kind | labels | means |",
        "|---|---|---|---|",
    ]
    for name, metric in sorted(metrics().items()):
        described = next(iter(metric.describe()))
        names = metric._labelnames  # noqa: SLF001  prometheus_client has no public name for them
        labels = ", ".join(f"`{label}`" for label in names) or "none"
        about = _cell(described.documentation)
        lines.append(f"| `{name}` | {described.type} | {labels} | {about} |")
    return "\n".join(lines)


def metrics() -> dict[str, MetricWrapperBase]:
    """Return every metric that a module of ours defines, by the name that is scraped."""
    found: dict[str, MetricWrapperBase] = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("weft."):
            for value in vars(module).values():
                if isinstance(value, MetricWrapperBase):
                    described = next(iter(value.describe()))
                    suffix = "_total" if described.type == "counter" else ""
                    found[described.name + suffix] = value
    return found


# --- REST ---


def rest_page() -> str:
    """Every operation, by path."""
    lines = [
        "# REST",
        "",
        "The same table answers requests, writes the OpenAPI 3.1 document with every schema at",
        "`/api/v1/openapi.json`, and makes the command line. *May* is the action that the policy",
        "is asked about; `public` needs no credential, `signed-in` any. Beside the errors given",
        "here, an operation answers 401, 403 and 429 where its caller earns them, and 503 when",
        "the disk fails.",
    ]
    tags: dict[str, list[Operation]] = {}
    for operation in TABLE:
        tags.setdefault(operation.tag or operation.path.split("/")[1], []).append(operation)
    for tag, operations in sorted(tags.items()):
        lines += ["", f"## {tag}", "", "| request | may | does | command |", "|---|---|---|---|"]
        lines += [_operation(operation) for operation in operations]
        for operation in operations:
            lines += _details(operation)
    return "\n".join(lines)


def _operation(operation: Operation) -> str:
    command = operation.command
    typed = f"`weft {command.group} {command.name}`" if command is not None else ""
    may = operation.action
    if may in (PUBLIC, SIGNED_IN):
        may = f"*{may}*"
    return (
        f"| `{operation.method} {operation.full_path}` | {may} "
        f"| {_cell(operation.summary)} | {typed} |"
    )


def _details(operation: Operation) -> list[str]:
    """Return what there is to say beyond the table's row."""
    facts = []
    if operation.description:
        facts.append(" ".join(operation.description.split()))
    if operation.query is not None:
        names = [f"`{name}`" for name in operation.query.__struct_encode_fields__]
        facts.append(f"Query: {', '.join(names)}.")
    if operation.if_match:
        facts.append(f"`If-Match` is {operation.if_match}.")
    if operation.errors:
        codes = sorted({f"`{kind.code}` ({status_of(kind)})" for kind in operation.errors})
        facts.append(f"Errors of its own: {', '.join(codes)}.")
    if not facts:
        return []
    return ["", f"**{operation.method} {operation.full_path}**: {' '.join(facts)}"]


# --- commands ---


def commands_page() -> str:
    """Every command's own help."""
    lines = [
        "# Commands",
        "",
        "`weft --help` and `weft NOUN VERB --help` say the same. Exit codes: 0 done, 1 refused or",
        "failed, 2 wrong usage, 3 no server answers.",
    ]
    for name, command in commands():
        level = "##" if " " not in name.removeprefix("weft ") else "###"
        parts = name.split(" ")
        context = None
        for part in parts:
            context = click.Context(
                command if part is parts[-1] else cli,
                info_name=part,
                parent=context,
                terminal_width=WIDTH,
            )
        assert context is not None
        lines += ["", f"{level} `{name}`", "", "```", command.get_help(context), "```"]
    return "\n".join(lines)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before what is in them."""
    yield from _below(cli, "weft")


def _below(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{path} {name}")


def outdated() -> list[str]:
    """Return the names of pages that are not what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != text
    ]


def main() -> int:
    """Write the pages, or check them."""
    if "--check" in sys.argv[1:]:
        old = outdated()
        for name in old:
            print(f"docs/reference/{name} is not what the code says: run scripts/reference")
        return 1 if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"wrote {len(pages())} pages to docs/reference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
