"""Operations on the connectors that a tenant sets up itself, while Weft runs.

Settings are shown to who may change them; a secret is shown to nobody, only whether it is
set and when. What was tried and not taken is an answer, no fault.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, moment
from weft.errors import Conflict, ConnectorError, Invalid, NotFound, QuotaExceeded, RateLimited

Secret = Annotated[
    str, Meta(min_length=1, max_length=16_000, extra_json_schema={"format": "password"})
]
Settings = Annotated[
    dict[str, Any],
    Meta(max_length=100, description="As in the configuration file, without any secret."),
]
Secrets = Annotated[
    dict[Annotated[str, Meta(max_length=128)], Secret | None],
    Meta(
        max_length=20,
        description="Name of a setting: the secret itself. null forgets one; what is left out "
        "stays, while the address stays.",
    ),
]


class ConnectorOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """How a connector is to be."""

    kind: Annotated[str, Meta(max_length=64)]
    settings: Settings
    secrets: Secrets = {}


class ConnectorTrial(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to try before they are saved."""

    kind: Annotated[str, Meta(max_length=64)]
    settings: Settings
    secrets: Secrets = {}
    name: Annotated[
        str,
        Meta(max_length=128, description="A saved one, whose secrets are used where none is given"),
    ] = ""


class SettingView(Struct, frozen=True):
    """A setting of a kind of connector. One within a table has the table's name in front."""

    name: str
    type: Literal["text", "number", "boolean", "choice", "list", "table"]
    required: Annotated[bool, Meta(description="Of one within a table: where that is given.")]
    default: Any
    secret: Annotated[bool, Meta(description="It is given among the secrets.")]
    help: str
    choices: Annotated[
        tuple[str, ...], Meta(description="Of a choice, or the kinds that a table may be of.")
    ]
    of: Annotated[str, Meta(description="For which kind of its table; empty for all.")]


class ConnectorKindView(Struct, frozen=True):
    """A kind of connector that may be set up."""

    kind: str
    page: str
    actions: tuple[str, ...]
    quality: str
    settings: list[SettingView]


class SecretView(Struct, frozen=True):
    """A secret that is set; it is not shown."""

    name: str
    set_at: Moment
    set_by: str


class OwnConnectorView(Struct, frozen=True):
    """What a tenant's own connector was set up with."""

    name: str
    kind: str
    settings: dict[str, Any]
    secrets: list[SecretView]
    created_at: Moment
    updated_at: Moment
    updated_by: str
    version: int


class TrialAnswer(Struct, frozen=True):
    """What the far side said."""

    worked: bool
    answer: Annotated[str, Meta(description="In words; where it did not work, what to do.")]


class ConnectorChange(Struct, frozen=True):
    """How to change."""

    force: Annotated[
        bool,
        Meta(
            description="Though it leads to another system while work orders are open at this one; "
            "these are followed no more."
        ),
    ] = False


class ConnectorDeletion(Struct, frozen=True):
    """How to delete."""

    force: Annotated[
        bool, Meta(description="Though rules name it, or actions wait for it; these wait on.")
    ] = False


async def list_kinds(services: Services, _call: Call) -> Page[ConnectorKindView]:
    """Answer with the kinds that may be set up."""
    return Page([_kind_view(kind) for kind in services.own_connectors.kinds()])


async def get_settings(services: Services, call: Call) -> Reply:
    """Answer with what a connector was set up with."""
    return _reply(await services.own_connectors.get(call.principal.tenant, call.path["name"]))


async def set_connector(services: Services, call: Call) -> Reply:
    """Set a connector up, or change it."""
    saved = await services.own_connectors.save(
        call.principal, call.path["name"], call.body, version=call.if_match, force=call.query.force
    )
    return _reply(saved)


async def delete_connector(services: Services, call: Call) -> None:
    """Take a connector away."""
    await services.own_connectors.delete(
        call.principal, call.path["name"], version=call.if_match, force=call.query.force
    )


async def try_settings(services: Services, call: Call) -> TrialAnswer:
    """Ask the far side something harmless; that it does not answer is an answer."""
    body: ConnectorTrial = call.body
    try:
        said = await services.own_connectors.try_out(call.principal, body, body.name)
    except ConnectorError as error:
        return TrialAnswer(worked=False, answer=f"{error.detail} {error.remedy}".strip())
    return TrialAnswer(worked=True, answer=said)


def _kind_view(kind: Any) -> ConnectorKindView:
    return ConnectorKindView(
        kind=kind.kind,
        page=kind.page,
        actions=kind.actions,
        quality=kind.quality,
        settings=[
            SettingView(
                name=one.name,
                type=one.type,
                required=one.required,
                default=one.default,
                secret=one.secret,
                help=one.help,
                choices=one.choices,
                of=one.of,
            )
            for one in kind.settings
        ],
    )


def _reply(saved: Any) -> Reply:
    view = OwnConnectorView(
        name=saved.name,
        kind=saved.kind,
        settings=saved.settings,
        secrets=[
            SecretView(name, moment(one.set_at) or "", one.set_by)
            for name, one in sorted(saved.secrets.items())
        ],
        created_at=moment(saved.created_at) or "",
        updated_at=moment(saved.updated_at) or "",
        updated_by=saved.updated_by,
        version=saved.version,
    )
    return Reply(view, version=saved.version)


_ONE = "/connectors/{name}"
_TARGET = "connector:{name}"
_EXAMPLE = {
    "kind": "webhook",
    "settings": {"url": "https://alerts.example.com/weft"},
    "secrets": {"secret": "at least 32 random characters"},
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_connector_kinds",
        "GET",
        "/connector-kinds",
        "List the kinds of connectors that may be set up",
        list_kinds,
        action="connector.read",
        tag="connectors",
        description="With every setting: what may stand there, and one line of help.",
        result=Page[ConnectorKindView],
        command=Command("connector", "kinds", columns=("kind", "actions", "quality", "page")),
    ),
    Operation(
        "get_connector_settings",
        "GET",
        _ONE + "/settings",
        "Show what a connector was set up with",
        get_settings,
        action="connector.set_up",
        target=_TARGET,
        tag="connectors",
        description="One that the tenant set up itself. Secrets are not shown, only that they are "
        "set.",
        result=OwnConnectorView,
        etag=True,
        errors=(NotFound, Conflict),
        command=Command("connector", "settings"),
    ),
    Operation(
        "set_connector",
        "PUT",
        _ONE,
        "Set a connector up, or change it",
        set_connector,
        action="connector.set_up",
        target=_TARGET,
        tag="connectors",
        description=(
            "It is in force at once, for this tenant alone. Secrets are sealed and never shown "
            "again. Its addresses are public ones; a system in the operator's own network is set "
            "up in the configuration file. Another address or database is refused while work "
            "orders are open at the one before, unless it is forced."
        ),
        query=ConnectorChange,
        body=ConnectorOrder,
        accepts=(JSON, YAML),
        result=OwnConnectorView,
        if_match="optional",
        etag=True,
        errors=(Conflict, Invalid, QuotaExceeded),
        example=_EXAMPLE,
        command=Command("connector", "set", file=True),
    ),
    Operation(
        "delete_connector",
        "DELETE",
        _ONE,
        "Delete a connector that the tenant set up",
        delete_connector,
        action="connector.set_up",
        target=_TARGET,
        tag="connectors",
        description="With its secrets and its mapping. While rules name it or actions wait for it, "
        "it is refused and says so, unless it is forced: these wait on then.",
        query=ConnectorDeletion,
        if_match="optional",
        errors=(NotFound, Conflict),
        command=Command("connector", "delete", confirm="Delete the connector {name}?"),
    ),
    Operation(
        "try_connector_settings",
        "POST",
        "/connector-trials",
        "Test settings of a connector before they are saved",
        try_settings,
        action="connector.set_up",
        tag="connectors",
        description="The far side is asked something harmless; nothing is kept.",
        body=ConnectorTrial,
        accepts=(JSON, YAML),
        result=TrialAnswer,
        errors=(NotFound, Conflict, Invalid, RateLimited),
        example=_EXAMPLE,
        command=Command("connector", "check", file=True),
    ),
)
