"""Thing Models written: a device type as a W3C WoT Thing Model, whatever form it came in.

Reading what is written here gives the same fields again. A Thing Model that its owner
wrote is given back as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

from weft.model.device import DeviceType, Field
from weft.registry.schemas import Schema, object_of, output_of, schema_of

TD_CONTEXT: Final = "https://www.w3.org/2022/wot/td/v1.1"
WEFT_CONTEXT: Final = {"weft": "urn:weft:wot#"}
_THING_MODEL: Final = "tm:ThingModel"
_W3C: Final = ("https://www.w3.org/", "http://www.w3.org/")
_NOTES: Final = ("title", "description")


def is_thing_model(document: Mapping[str, Any]) -> bool:
    """Whether a document is in the W3C's form (it has @context, @type or actions).

    A @context of somebody else's (DTDL has one as well) makes it a document of theirs.
    """
    if "@context" in document:
        named = document["@context"]
        contexts = named if isinstance(named, list) else [named]
        return any(isinstance(one, str) and one.startswith(_W3C) for one in contexts)
    return not document.keys().isdisjoint({"@type", "actions"})


def thing_model_of(device_type: DeviceType) -> dict[str, Any]:
    """Return the Thing Model of a device type at its version."""
    document = device_type.document
    head: dict[str, Any] = {"@context": [TD_CONTEXT, WEFT_CONTEXT], "@type": _THING_MODEL}
    if is_thing_model(document):
        head |= document
        if "version" not in head:
            head["version"] = {"model": str(device_type.version)}
        return head
    head["title"] = device_type.title
    if isinstance(document.get("description"), str):
        head["description"] = document["description"]
    head["version"] = {"model": str(device_type.version)}
    for word in ("mapping", "production"):
        if word in document:
            head[f"weft:{word}"] = document[word]
    return head | affordances_of(device_type)


def affordances_of(device_type: DeviceType) -> dict[str, Any]:
    """Return properties, actions and events, without how to reach them."""
    properties = {key: _telemetry(field) for key, field in device_type.telemetry.items()}
    properties |= {key: _property(field) for key, field in device_type.properties.items()}
    document = device_type.document
    actions: dict[str, Any] = {}
    for name, fields in device_type.commands.items():
        taken = {"input": object_of(fields, partial=False)} if fields else {}
        if name in device_type.outputs:
            taken["output"] = output_of(device_type.outputs[name])
        actions[name] = _notes(document, name, "commands", "actions") | taken
    events: dict[str, Any] = {}
    for name, fields in device_type.events.items():
        told = {"data": object_of(fields, partial=False)} if fields else {}
        events[name] = _notes(document, name, "events") | told
    sections = {"properties": properties, "actions": actions, "events": events}
    return {name: section for name, section in sections.items() if section}


def _telemetry(field: Field) -> Schema:
    return _flagged(field) | {"readOnly": True, "observable": True, "weft:role": "telemetry"}


def _property(field: Field) -> Schema:
    # A property that a device reports and nobody desires looks like telemetry to the W3C.
    return _flagged(field) | {"observable": True, "weft:role": "property"}


def _flagged(field: Field) -> Schema:
    required = {"weft:required": True} if field.required else {}
    return schema_of(field) | required


def _notes(document: Mapping[str, Any], name: str, *sections: str) -> dict[str, str]:
    """Return what the owner wrote about a command or event, beside its fields."""
    for section in sections:
        entry = (document.get(section) or {}).get(name)
        if isinstance(entry, dict):
            return {word: entry[word] for word in _NOTES if isinstance(entry.get(word), str)}
    return {}
