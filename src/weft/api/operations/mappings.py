"""Operations on the field mappings of connectors: read, save, and try one on an alarm."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Conflict, ConnectorError, NotFound
from weft.model.alarm import Alarm, AlarmState, Evidence, Severity
from weft.model.ids import AlarmId, DeviceId, RuleId, TenantId, derived_id
from weft.security.policy import require

Fields = Annotated[
    dict[str, str],
    Meta(max_length=64, description='Field of the far side: expression; "" leaves it out.'),
]


class MappingView(Struct, frozen=True):
    """How the fields of a connector's records are filled for this tenant."""

    connector: str
    defaults: dict[str, str]  # of the connector's kind and its settings
    fields: dict[str, str]  # saved by this tenant, over the defaults
    version: int  # 0: nothing was saved
    updated_at: Moment | None
    updated_by: str


class MappingTrial(Struct, frozen=True, forbid_unknown_fields=True):
    """What to try: a mapping that is not saved, and on which alarm."""

    fields: Fields | None = None  # the one in force where left out
    alarm: str | None = None  # id of an alarm; a sample where left out
    device: str = "sample-device"  # of the sample


class LeftOutView(Struct, frozen=True):
    """A field that would not be filled."""

    field: str
    why: str


class TriedView(Struct, frozen=True):
    """The request that would be sent. Nothing was; credentials are added when it is."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any
    first: str  # what would be asked before it
    fields: dict[str, Any]
    left_out: list[LeftOutView]


async def get_mapping(services: Services, call: Call) -> Reply:
    """Answer with the mapping of a connector."""
    tenant, name = call.principal.tenant, call.path["name"]
    return _reply(*await services.connectors.get_mapping(tenant, name))


async def save_mapping(services: Services, call: Call) -> Reply:
    """Save the mapping of a connector for this tenant."""
    await services.connectors.save_mapping(
        call.principal, call.path["name"], call.body, version=call.if_match
    )
    return await get_mapping(services, call)


async def delete_mapping(services: Services, call: Call) -> None:
    """Go back to the defaults."""
    await services.connectors.delete_mapping(call.principal, call.path["name"])


async def try_mapping(services: Services, call: Call) -> TriedView:
    """Answer with the request that would be sent."""
    body: MappingTrial = call.body or MappingTrial()
    tenant, name = call.principal.tenant, call.path["name"]
    alarm_id = None if body.alarm is None else AlarmId(body.alarm)
    for right in sorted(
        await services.connectors.trial_rights(tenant, name, body.fields, alarm_id)
    ):
        require(services.policy, call.principal, right, "*")
    alarm = alarm_id or _sample(tenant, body.device, services.clock.now())
    tried = await services.connectors.try_mapping(tenant, name, body.fields, alarm)
    planned = tried.planned
    return TriedView(
        method=planned.method,
        url=planned.url,
        headers=dict(planned.headers),
        body=msgspec.json.decode(planned.body),
        first=planned.first,
        fields=dict(tried.fields),
        left_out=[LeftOutView(one.field, one.why) for one in tried.left_out],
    )


def _sample(tenant: TenantId, device_id: str, now: int) -> Alarm:
    """Return an alarm that a device might cause."""
    return Alarm(
        alarm_id=AlarmId(derived_id("sample", tenant, device_id)),
        tenant=tenant,
        rule_id=RuleId("sample-rule"),
        rule_version=1,
        device_id=DeviceId(device_id),
        episode=1,
        severity=Severity.MAJOR,
        state=AlarmState.ACTIVE,
        message=f"A sample of an alarm of {device_id}",
        raised_at=now,
        evidence=(Evidence(1, now, {"temperature": 91.5}),),
    )


def _reply(name: str, defaults: dict[str, str], saved: Any) -> Reply:
    view = MappingView(
        connector=name,
        defaults=defaults,
        fields=saved.fields if saved else {},
        version=saved.version if saved else 0,
        updated_at=moment(saved.updated_at) if saved else None,
        updated_by=saved.updated_by if saved else "",
    )
    return Reply(view, version=view.version)


_ONE = "/connectors/{name}/mapping"
_TARGET = "connector:{name}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_connector_mapping",
        "GET",
        _ONE,
        "Show how a connector fills its fields",
        get_mapping,
        action="connector.read",
        target=_TARGET,
        tag="connectors",
        result=MappingView,
        etag=True,
        errors=(NotFound,),
        command=Command("connector", "mapping"),
    ),
    Operation(
        "save_connector_mapping",
        "PUT",
        _ONE,
        "Save how a connector fills its fields",
        save_mapping,
        action="connector.write",
        target=_TARGET,
        tag="connectors",
        description=(
            "Field of the far side: expression of the rules' language over alarm, rule, device, "
            "asset, work_order, evidence.x, parameters.x, title, text and key. It changes the "
            "defaults for this tenant alone."
        ),
        body=Fields,
        accepts=(JSON, YAML),
        result=MappingView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Conflict),
        example={"priority": "alarm.severity == 'critical' ? 'High' : 'Normal'"},
        command=Command("connector", "map", file=True),
    ),
    Operation(
        "delete_connector_mapping",
        "DELETE",
        _ONE,
        "Go back to the defaults of a connector's fields",
        delete_mapping,
        action="connector.write",
        target=_TARGET,
        tag="connectors",
        errors=(NotFound,),
        command=Command(
            "connector", "unmap", confirm="Forget the mapping of {name}, and use its defaults?"
        ),
    ),
    Operation(
        "try_connector_mapping",
        "POST",
        "/connectors/{name}/try",
        "Show the request that an alarm would cause",
        try_mapping,
        action="connector.write",
        target=_TARGET,
        tag="connectors",
        description="Nothing is sent. It takes the rights to read what the mapping reads.",
        body=MappingTrial,
        body_optional=True,
        result=TriedView,
        errors=(NotFound, ConnectorError),
        example={"fields": {"priority": "'High'"}, "device": "pump-7"},
    ),
)
