"""Thing Models: from the document its owner wrote to the device type that is checked.

A document is of one of the forms in `FORMS`, all of which give the same type. To read another
one (DTDL, say) is one module with a function from document to `Declared`, and one line there.
A W3C WoT Thing Model has properties, actions and events;
of its properties those with `weft:role: telemetry`, or read-only and observable ones, are
telemetry. The short form says telemetry, properties, commands and events, each with its
fields; a command may declare an `output` beside those of its input. How payloads that speak
other keys are read stands in `mapping` (`weft:mapping` in a Thing Model).
Every error names the place in the document and what to write there.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Invalid
from weft.model.device import DeviceType, Field, Output
from weft.model.ids import NAME_MAX_CHARACTERS, TenantId, TypeName, require_name
from weft.model.mapping import Mapping as PayloadMapping
from weft.registry.fields import fits, read_field, require_known, require_mapping
from weft.registry.mappings import read_mapping
from weft.registry.production import require_production
from weft.registry.thing_model_writer import is_thing_model

_ABOUT: Final = frozenset(
    {
        "@context", "@type", "id", "name", "title", "titles", "description", "descriptions",
        "version", "links", "support", "created", "modified", "base", "tm:optional", "forms",
        "security", "securityDefinitions", "profile", "schemaDefinitions", "uriVariables",
    }
)  # fmt: skip
_SHORT: Final = frozenset(
    {"telemetry", "properties", "commands", "events", "mapping", "production"}
)
_WOT: Final = frozenset({"properties", "actions", "events"})
_ACTION: Final = frozenset(
    {
        "input", "output", "safe", "idempotent", "synchronous", "title", "titles", "description",
        "descriptions", "forms", "uriVariables", "@type",
    }
)  # fmt: skip
_EVENT: Final = frozenset(
    {
        "data", "subscription", "dataResponse", "cancellation", "title", "titles", "description",
        "descriptions", "forms", "uriVariables", "@type",
    }
)  # fmt: skip
_ROLES: Final = ("telemetry", "property")
FIELDS_MAX: Final = 512

# A key is named in conditions (`temperature > 80`), in queries and in file headers.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

Fields = dict[str, Field]


class Declared(Struct, frozen=True):
    """What a document of any form declares."""

    telemetry: Fields
    properties: Fields
    commands: dict[str, Fields]  # name -> input fields
    events: dict[str, Fields]  # name -> data fields
    mapping: PayloadMapping | None = None
    outputs: dict[str, Output] = {}  # of commands that declare one


class Form(Struct, frozen=True):
    """A form of documents: how one is told from the others, and what it declares."""

    name: str  # as a person would write it: a part of errors
    fits: Callable[[Mapping[str, Any]], bool]
    read: Callable[[dict[str, Any]], Declared]  # raises `Invalid` with the place


def read_type(
    tenant: TenantId, name: str, document: dict[str, Any], *, version: int, at: int
) -> DeviceType:
    """Return the device type that a document declares, or raise `Invalid` with the place."""
    declared = _form_of(document).read(document)
    require_production(document, declared.telemetry)
    title = document.get("title", name)
    if not isinstance(title, str):
        raise Invalid("title is not a text.", remedy="Put it in quotes.")
    return DeviceType(
        tenant=tenant,
        name=TypeName(require_name(name, "type name")),
        version=version,
        title=title,
        telemetry=declared.telemetry,
        properties=declared.properties,
        commands=declared.commands,
        events=declared.events,
        document=document,
        created_at=at,
        mapping=declared.mapping,
        outputs=declared.outputs,
    )


def _form_of(document: Mapping[str, Any]) -> Form:
    for form in FORMS:
        if form.fits(document):
            return form
    raise Invalid(
        f"@context is {str(document.get('@context'))[:200]!r}: a form that is not read.",
        remedy=f"Write the type as {' or as '.join(form.name for form in FORMS)}.",
    )


def _is_short(document: Mapping[str, Any]) -> bool:
    return not is_thing_model(document) and "@context" not in document


def _read_short_form(document: dict[str, Any]) -> Declared:
    require_known(document, _ABOUT | _SHORT, "the document")
    properties = _read_fields(document.get("properties"), "properties")
    telemetry, properties = _split_by_role(document, properties, is_wot=False)
    for key, field in _read_fields(document.get("telemetry"), "telemetry").items():
        telemetry[key] = replace(field, read_only=False)
    events = _read_short(document, "events")
    mapping = read_mapping(document.get("mapping"), "mapping", telemetry, properties, events)
    outputs = _read_short_outputs(document)
    commands = _read_short(document, "commands")
    return Declared(telemetry, properties, commands, events, mapping, outputs)


def _read_thing_model(document: dict[str, Any]) -> Declared:
    _require_no_short_words(document)
    require_known(document, _ABOUT | _WOT, "the document")
    properties = _read_fields(document.get("properties"), "properties")
    telemetry, properties = _split_by_role(document, properties, is_wot=True)
    events = _read_affordances(document, "events")
    word = "weft:mapping"
    mapping = read_mapping(document.get(word), word, telemetry, properties, events)
    commands = _read_affordances(document, "actions")
    outputs = _read_outputs(document)
    return Declared(telemetry, properties, commands, events, mapping, outputs)


def _require_no_short_words(document: dict[str, Any]) -> None:
    for word in ("telemetry", "commands"):
        if word in document:
            raise Invalid(
                f"{word} stands in a W3C Thing Model (it has @context, @type or actions).",
                remedy="Leave those three out to use the short form, or write telemetry as "
                'properties with "weft:role": "telemetry", and commands as actions.',
            )


def _split_by_role(
    document: dict[str, Any], fields: Fields, *, is_wot: bool
) -> tuple[Fields, Fields]:
    """Tell telemetry from properties."""
    schemas = document.get("properties") or {}
    telemetry: Fields = {}
    properties: Fields = {}
    for key, field in fields.items():
        schema = schemas[key]
        observed = is_wot and schema.get("observable") is True and field.read_only
        role = schema.get("weft:role", "telemetry" if observed else "property")
        if role not in _ROLES:
            raise Invalid(
                f"properties.{key}.weft:role is {role!r}.", remedy=f"Write {' or '.join(_ROLES)}."
            )
        if role == "telemetry":
            # Telemetry is read-only by nature; both forms give the same field.
            telemetry[key] = replace(field, read_only=False)
        else:
            properties[key] = field
    return telemetry, properties


def _read_fields(section: Any, path: str, required: frozenset[str] = frozenset()) -> Fields:
    schemas = require_mapping(section, path)
    if len(schemas) > FIELDS_MAX:
        raise Invalid(
            f"{path} has {len(schemas)} fields; at most {FIELDS_MAX} fit.",
            remedy="Split the device into several, or send rare values as events.",
        )
    return {
        require_key(key, path): read_field(schema, f"{path}.{key}", required=key in required)
        for key, schema in schemas.items()
    }


def require_key(key: str, path: str) -> str:
    """Return a key that conditions and queries can name, or raise `Invalid`."""
    if len(key) > NAME_MAX_CHARACTERS or not _KEY.fullmatch(key):
        raise Invalid(
            f"{path} has the key {key!r}, which conditions and queries cannot name.",
            remedy="Start with a letter or _; go on with letters, digits and _ . - (at most "
            f"{NAME_MAX_CHARACTERS}).",
        )
    return key


def _read_short(document: dict[str, Any], section: str) -> dict[str, Fields]:
    """Read commands or events that are fields by name; texts beside them are notes."""
    entries = require_mapping(document.get(section), section)
    read: dict[str, Fields] = {}
    for name, entry in entries.items():
        path = f"{section}.{require_name(name, f'name below {section}')}"
        words = require_mapping(entry, path)
        notes = {word for word in ("title", "description") if isinstance(words.get(word), str)}
        if section == "commands" and is_short_output(words.get("output")):
            notes.add("output")
        read[name] = _read_fields(
            {key: schema for key, schema in words.items() if key not in notes}, path
        )
    return read


def is_short_output(entry: Any) -> bool:
    """Whether `output` below a command is a group of fields; a field of that name has a type."""
    return isinstance(entry, dict) and bool(entry) and not isinstance(entry.get("type"), str)


def _read_short_outputs(document: dict[str, Any]) -> dict[str, Output]:
    """Read what commands give back, where it stands beside the fields of their input."""
    entries = require_mapping(document.get("commands"), "commands")
    return {
        name: Output(_read_fields(entry["output"], f"commands.{name}.output"))
        for name, entry in entries.items()
        if isinstance(entry, dict) and is_short_output(entry.get("output"))
    }


def _read_outputs(document: dict[str, Any]) -> dict[str, Output]:
    """Read what W3C actions give back."""
    entries = require_mapping(document.get("actions"), "actions")
    read: dict[str, Output] = {}
    for name, entry in entries.items():
        schema = require_mapping(entry, f"actions.{name}").get("output")
        if schema:
            read[name] = _read_output(schema, f"actions.{name}.output")
    return read


def _read_output(schema: Any, path: str) -> Output:
    """Read an action's output: the fields of an object, or one value of any other kind."""
    words = require_mapping(schema, path)
    if words.get("type") == "object" and words.get("properties"):
        return Output(_read_schema(words, path))
    return Output(value=read_field(words, path))


def _read_affordances(document: dict[str, Any], section: str) -> dict[str, Fields]:
    """Read W3C actions (their input) or events (their data)."""
    word, known = ("input", _ACTION) if section == "actions" else ("data", _EVENT)
    entries = require_mapping(document.get(section), section)
    read: dict[str, Fields] = {}
    for name, entry in entries.items():
        path = f"{section}.{require_name(name, f'name below {section}')}"
        words = require_mapping(entry, path)
        require_known(words, known, path)
        read[name] = _read_schema(words.get(word), f"{path}.{word}")
    return read


def _read_schema(schema: Any, path: str) -> Fields:
    """Read an action's input: the fields of an object, or one field named `value`."""
    words = require_mapping(schema, path)
    if not words:
        return {}
    if words.get("type") != "object":
        return {"value": read_field(words, path, required=True)}
    require_known(words, {"type", "properties", "required", "title", "description"}, path)
    required = words.get("required", [])
    if not isinstance(required, list) or not all(fits(name, "string") for name in required):
        raise Invalid(f"{path}.required is no list of names.", remedy="Write required: [rpm]")
    fields = _read_fields(words.get("properties"), f"{path}.properties", frozenset(required))
    for name in required:
        if name not in fields:
            raise Invalid(
                f"{path}.required names {name!r}, which {path}.properties does not declare.",
                remedy="Declare it there, or take it from the list.",
            )
    return fields


# The first form that fits reads the document.
FORMS: Final = (
    Form("a W3C WoT Thing Model", is_thing_model, _read_thing_model),
    Form("the short form (telemetry, properties, commands, events)", _is_short, _read_short_form),
)
