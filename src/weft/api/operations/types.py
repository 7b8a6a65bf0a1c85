"""Operations on device types: the models that devices follow, version by version."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.ingest.migration import Migration, Move, Report
from weft.model.device import DeviceType, Field, Output
from weft.registry.differences import BreakingChange, Difference, breaks, differences


class TypeView(Struct, frozen=True):
    """A device type as the API shows it, at one version."""

    name: str
    version: int
    title: str
    telemetry: dict[str, Field]
    properties: dict[str, Field]
    commands: dict[str, dict[str, Field]]
    events: dict[str, dict[str, Field]]
    document: dict[str, Any]  # as its owner wrote it
    created_at: Moment
    outputs: dict[str, Output] = {}  # of commands that declare what they give back
    breaking: bool = False  # devices of the version before come here by migration only


class TypeVersions(Struct, frozen=True):
    """The versions of a type that are kept, oldest first."""

    name: str
    versions: list[int]
    breaking: list[int]  # those of them that no device follows without being migrated


class Breaking(StrEnum):
    """What to do with a change that breaks devices."""

    REFUSE = "refuse"
    ALLOW = "allow"


class TypeSave(Struct, frozen=True, forbid_unknown_fields=True):
    """How to save."""

    breaking: Annotated[
        Breaking,
        Meta(description="What to do with a change that would break devices: refuse or allow."),
    ] = Breaking.REFUSE


class TypeDifferences(Struct, frozen=True):
    """What changes from one version to another, the breaking changes first."""

    name: str
    old: int | None  # None: there was none
    new: int | None  # None: not saved
    breaking: bool
    differences: list[Difference]


def view_of(device_type: DeviceType) -> TypeView:
    """Show a device type."""
    return TypeView(
        name=device_type.name,
        version=device_type.version,
        title=device_type.title,
        telemetry=device_type.telemetry,
        properties=device_type.properties,
        commands=device_type.commands,
        outputs=device_type.outputs,
        events=device_type.events,
        document=device_type.document,
        created_at=moment(device_type.created_at) or "",
        breaking=device_type.breaking,
    )


def _reply(device_type: DeviceType) -> Reply:
    return Reply(view_of(device_type), version=device_type.version)


async def list_types(services: Services, call: Call) -> Page[TypeView]:
    """Answer with a page of types."""
    found = services.types.list(
        call.principal.tenant, after=after_of(call, "types"), limit=call.query.limit + 1
    )
    return page_of(call, "types", found, view_of, lambda item: item.name)


async def get_type(services: Services, call: Call) -> Reply:
    """Answer with a type at its current version."""
    return _reply(services.types.get(call.principal.tenant, call.path["type_name"]))


async def save_type(services: Services, call: Call) -> Reply:
    """Check a document and keep it as the next version."""
    saved = await services.types.save(
        call.principal,
        call.path["type_name"],
        call.body,
        version=call.if_match,
        allow_breaking=call.query.breaking is Breaking.ALLOW,
    )
    return _reply(saved)


async def check_type(services: Services, call: Call) -> TypeDifferences:
    """Say what saving a document would change, and change nothing."""
    name = call.path["type_name"]
    checked = services.types.check(call.principal.tenant, name, call.body)
    against = checked.against
    return TypeDifferences(
        name=name,
        old=against.version if against else None,
        new=None,
        breaking=breaks(checked.differences),
        differences=checked.differences,
    )


async def delete_type(services: Services, call: Call) -> None:
    """Delete a type that no device uses."""
    await services.types.delete(call.principal, call.path["type_name"])


async def migrate_type(services: Services, call: Call) -> Report:
    """Move devices to a version of their type, or try it."""
    migration = Migration(
        services.records, services.audit, services.types, services.devices, services.twins
    )
    return await migration.run(call.principal, call.path["type_name"], call.body)


async def list_type_versions(services: Services, call: Call) -> TypeVersions:
    """Answer with the numbers of the kept versions."""
    name = call.path["type_name"]
    tenant = call.principal.tenant
    services.types.get(tenant, name)
    kept = services.types.versions(tenant, name)
    breaking = [number for number in kept if services.types.get(tenant, name, number).breaking]
    return TypeVersions(name, kept, breaking)


async def get_type_version(services: Services, call: Call) -> Reply:
    """Answer with a type at one version."""
    return _reply(_at_version(services, call, "version"))


async def compare_type_versions(services: Services, call: Call) -> TypeDifferences:
    """Say what changed from one version to another."""
    old = _at_version(services, call, "version")
    new = _at_version(services, call, "other")
    found = differences(old, new)
    return TypeDifferences(old.name, old.version, new.version, breaks(found), found)


def _at_version(services: Services, call: Call, parameter: str) -> DeviceType:
    number = call.path[parameter]
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:18]) < 2**31:
        raise Invalid(f"{number!r} is no version.", remedy="Name a number, as 3.")
    return services.types.get(call.principal.tenant, call.path["type_name"], int(number))


_ONE = "/types/{type_name}"
_TARGET = "type:{type_name}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_types",
        "GET",
        "/types",
        "List device types",
        list_types,
        action="type.read",
        query=Paging,
        result=Page[TypeView],
        command=Command("type", "list", columns=("name", "version", "title", "created_at")),
    ),
    Operation(
        "get_type",
        "GET",
        _ONE,
        "Show a device type",
        get_type,
        action="type.read",
        target=_TARGET,
        result=TypeView,
        etag=True,
        errors=(NotFound,),
        command=Command("type", "show"),
    ),
    Operation(
        "save_type",
        "PUT",
        _ONE,
        "Save a device type",
        save_type,
        action="type.write",
        target=_TARGET,
        description=(
            "The body is a W3C WoT Thing Model, or the short form, in YAML or JSON. What has "
            "changed becomes a new version; devices follow it from their next message on, unless "
            "it breaks what they say today: such a change is refused, or, with breaking=allow, "
            "followed by those devices only that are migrated or made afterwards."
        ),
        query=TypeSave,
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=TypeView,
        if_match="optional",
        etag=True,
        errors=(Conflict, BreakingChange, QuotaExceeded),
        example={"telemetry": {"temperature": {"type": "number", "unit": "Cel"}}},
        command=Command("type", "save", file=True),
    ),
    Operation(
        "check_type",
        "POST",
        _ONE + "/check",
        "Tell what saving a device type would change",
        check_type,
        action="type.read",
        target=_TARGET,
        description="Nothing is saved. Each change has its place and whether it breaks devices.",
        body=dict[str, Any],
        accepts=(JSON, YAML),
        result=TypeDifferences,
        example={"telemetry": {"temperature": {"type": "number", "unit": "Cel"}}},
        command=Command("type", "check", file=True),
    ),
    Operation(
        "migrate_type",
        "POST",
        _ONE + "/migrate",
        "Move devices to another version of their type",
        migrate_type,
        action="type.write",
        target=_TARGET,
        description=(
            "The last values of each device are tried against that version first; one whose "
            "values would be refused stays and is listed, unless force is said. At most a "
            "thousand devices are looked at in one request; next says where to go on."
        ),
        body=Move,
        result=Report,
        errors=(NotFound, Conflict),
        example={"to": 2, "dry_run": True},
    ),
    Operation(
        "delete_type",
        "DELETE",
        _ONE,
        "Delete a device type that no device uses",
        delete_type,
        action="type.delete",
        target=_TARGET,
        errors=(NotFound, Conflict),
        command=Command("type", "delete", confirm="Delete the device type {type_name}?"),
    ),
    Operation(
        "list_type_versions",
        "GET",
        _ONE + "/versions",
        "List the versions of a device type",
        list_type_versions,
        action="type.read",
        target=_TARGET,
        result=TypeVersions,
        errors=(NotFound,),
        command=Command("type", "versions"),
    ),
    Operation(
        "get_type_version",
        "GET",
        _ONE + "/versions/{version}",
        "Show a device type at one version",
        get_type_version,
        action="type.read",
        target=_TARGET,
        result=TypeView,
        etag=True,
        errors=(NotFound,),
        command=Command("type", "version"),
    ),
    Operation(
        "compare_type_versions",
        "GET",
        _ONE + "/versions/{version}/differences/{other}",
        "Tell what changed between two versions of a device type",
        compare_type_versions,
        action="type.read",
        target=_TARGET,
        description="The breaking changes come first.",
        result=TypeDifferences,
        errors=(NotFound,),
        command=Command("type", "diff"),
    ),
)
