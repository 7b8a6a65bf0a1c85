"""Operations on packs: see them, install them, take them away, and read their samples."""

from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded
from weft.model.moments import from_rfc3339
from weft.packs.model import ItemKind, Pack, Sample
from weft.packs.packs import Order, Report
from weft.packs.planning import Outcome
from weft.registry.differences import BreakingChange

NDJSON = "application/x-ndjson"
_NS = 1_000_000_000
_LINES = 500  # of samples in one piece of the answer

Prefix = Annotated[
    str, Meta(max_length=64, description="What its names begin with: plant2- for plant2-pump-1.")
]


class InstallView(Struct, frozen=True):
    """One install of a pack."""

    prefix: str
    version: int
    connector: str  # that its work orders go to; empty: its rules raise alarms only
    complete: bool  # false: it was cut off; install it again
    installed_at: Moment
    installed_by: str


class PackView(Struct, frozen=True):
    """A pack, and where it is installed."""

    pack: str
    version: int
    title: str
    installs: int  # of this tenant, one for each prefix


class PackDetail(Struct, frozen=True):
    """A pack with what is in it."""

    pack: str
    version: int
    title: str
    description: str
    sources: list[str]
    types: list[str]
    assets: list[str]
    routes: list[str]
    derivations: list[str]
    rules: list[str]
    devices: list[str]  # of its simulation and its samples
    samples: int
    installed: list[InstallView]


class PackStepView(Struct, frozen=True):
    """What becomes of one item."""

    kind: ItemKind
    name: str
    outcome: Outcome
    reason: str
    changes: list[str]  # where the document that is there and that of the pack differ


class PackReport(Struct, frozen=True):
    """What was done, or with `dry_run` would be."""

    pack: str
    version: int
    version_before: int  # 0: it was not installed
    prefix: str
    connector: str
    dry_run: bool
    steps: list[PackStepView]


class PackOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """How to install a pack."""

    prefix: Prefix = ""
    connector: (
        Annotated[
            str,
            Meta(
                max_length=128,
                description="That takes its work orders; erp where there is one. Empty: none.",
            ),
        ]
        | None
    ) = None
    dry_run: Annotated[bool, Meta(description="Say what would be done, and do nothing.")] = False


class PackRemoval(Struct, frozen=True, forbid_unknown_fields=True):
    """Which install to take away."""

    prefix: Prefix = ""
    dry_run: Annotated[bool, Meta(description="Say what would be done, and do nothing.")] = False


class SampleQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which samples, and when they end."""

    device: Annotated[str, Meta(max_length=128)]
    end: (
        Annotated[
            str,
            Meta(
                extra_json_schema={"format": "date-time"},
                description="Moment of the newest sample; now if left out.",
            ),
        ]
        | None
    ) = None


async def _installed(services: Services, call: Call, pack: Pack) -> list[InstallView]:
    return [
        InstallView(
            prefix=one.prefix,
            version=one.version,
            connector=one.connector,
            complete=not one.pending,
            installed_at=moment(one.installed_at) or "",
            installed_by=one.installed_by,
        )
        for one in await services.packs.installs(call.principal.tenant, pack.name)
    ]


async def list_packs(services: Services, call: Call) -> Page[PackView]:
    """Answer with a page of packs."""
    after = after_of(call, "packs")
    found = [pack for pack in await services.packs.list_packs() if pack.name > after]
    views = [
        PackView(pack.name, pack.version, pack.title, len(await _installed(services, call, pack)))
        for pack in found[: call.query.limit + 1]
    ]
    return page_of(call, "packs", views, lambda view: view, lambda view: view.pack)


async def get_pack(services: Services, call: Call) -> PackDetail:
    """Answer with what is in a pack."""
    pack = await services.packs.get(call.path["pack"])
    return PackDetail(
        pack=pack.name,
        version=pack.version,
        title=pack.title,
        description=pack.description,
        sources=list(pack.sources),
        types=[item.name for item in pack.of(ItemKind.TYPE)],
        assets=[item.name for item in pack.of(ItemKind.ASSET)],
        routes=[item.name for item in pack.of(ItemKind.ROUTE)],
        derivations=[item.name for item in pack.of(ItemKind.DERIVATION)],
        rules=[item.name for item in pack.of(ItemKind.RULE)],
        devices=[device.device for device in pack.simulation.devices],
        samples=len(pack.samples),
        installed=await _installed(services, call, pack),
    )


async def install_pack(services: Services, call: Call) -> PackReport:
    """Install a pack, or say what that would do."""
    body: PackOrder = call.body or PackOrder()
    order = Order(body.prefix, body.connector, body.dry_run)
    report = await services.packs.install(call.principal, call.path["pack"], order)
    return _report(report, dry_run=order.dry_run)


async def remove_pack(services: Services, call: Call) -> PackReport:
    """Take an install away, or say what that would do."""
    removal: PackRemoval = call.query
    report = await services.packs.remove(
        call.principal, call.path["pack"], removal.prefix, dry_run=removal.dry_run
    )
    return _report(report, dry_run=removal.dry_run)


async def get_pack_samples(services: Services, call: Call) -> Reply:
    """Stream the samples of one device as telemetry messages."""
    pack = await services.packs.get(call.path["pack"])
    found = [sample for sample in pack.samples if sample.device == call.query.device]
    if not found:
        devices = ", ".join(device.device for device in pack.simulation.devices)
        raise NotFound(
            f"The pack has no samples of {call.query.device!r}.", remedy=f"It has: {devices}."
        )
    end = services.clock.now() if call.query.end is None else from_rfc3339(call.query.end)
    return Reply(stream=_lines(found, end), media_type=NDJSON)


async def _lines(samples: list[Sample], end: int) -> AsyncGenerator[bytes, None]:
    begin = end - round(samples[-1].at_s * _NS)
    for first in range(0, len(samples), _LINES):
        yield b"".join(
            msgspec.json.encode(
                {"ts": (begin + round(one.at_s * _NS)) // 1_000_000, "values": one.values}
            )
            + b"\n"
            for one in samples[first : first + _LINES]
        )


def _report(report: Report, *, dry_run: bool) -> PackReport:
    return PackReport(
        pack=report.pack.name,
        version=report.pack.version,
        version_before=report.version_before,
        prefix=report.prefix,
        connector=report.connector,
        dry_run=dry_run,
        steps=[
            PackStepView(
                kind=step.item.kind,
                name=step.item.name,
                outcome=step.outcome,
                reason=step.reason,
                changes=list(step.changes),
            )
            for step in report.steps
        ],
    )


_ONE = "/packs/{pack}"
_TARGET = "pack:{pack}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_packs",
        "GET",
        "/packs",
        "List packs",
        list_packs,
        action="pack.read",
        query=Paging,
        result=Page[PackView],
        command=Command("pack", "list", columns=("pack", "version", "title", "installs")),
    ),
    Operation(
        "get_pack",
        "GET",
        _ONE,
        "Show what is in a pack",
        get_pack,
        action="pack.read",
        target=_TARGET,
        result=PackDetail,
        errors=(NotFound,),
        command=Command("pack", "show"),
    ),
    Operation(
        "install_pack",
        "POST",
        _ONE + "/install",
        "Install a pack, or its newer version",
        install_pack,
        action="pack.install",
        target=_TARGET,
        description="Its types, assets, planned routes, derivations and rules. Again it changes "
        "nothing; what was changed or deleted here since is kept. An install that was cut off "
        "goes on when asked for again. The caller needs the rights to write each of them.",
        body=PackOrder,
        body_optional=True,
        result=PackReport,
        errors=(NotFound, Conflict, Forbidden, Invalid, BreakingChange, QuotaExceeded),
        example={"prefix": "plant2-", "connector": "erp"},
        command=Command("pack", "install"),
    ),
    Operation(
        "remove_pack",
        "DELETE",
        _ONE,
        "Take a pack away",
        remove_pack,
        action="pack.remove",
        target=_TARGET,
        description="What the pack made and nobody has changed since. What is in use, as a type "
        "that has devices, stays and goes when it is taken away again.",
        query=PackRemoval,
        result=PackReport,
        errors=(NotFound, Forbidden),
        command=Command("pack", "remove", confirm="Take away what the pack {pack} made?"),
    ),
    Operation(
        "get_pack_samples",
        "GET",
        _ONE + "/samples",
        "Read sample data of one of its devices",
        get_pack_samples,
        action="pack.read",
        target=_TARGET,
        description="As telemetry messages, one a line.",
        query=SampleQuery,
        result=str,
        produces=(NDJSON,),
        errors=(NotFound, Invalid),
        command=Command("pack", "samples"),
    ),
)
