"""Operations on notification policies: who hears of which alarms."""

from functools import partial

from msgspec import Struct

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Invalid, NotFound, QuotaExceeded
from weft.groups.notification_policies import Policy, PolicyBody


class PolicyView(Struct, frozen=True):
    """A notification policy as the API shows it."""

    name: str
    enabled: bool
    filter: str
    steps: int
    document: PolicyBody  # as its owner wrote it
    updated_at: Moment
    updated_by: str
    owner: str  # with whose rights it tells
    denied: str  # why it tells nobody now
    version: int


def _view(services: Services, policy: Policy) -> PolicyView:
    return PolicyView(
        name=policy.name,
        enabled=policy.body.enabled,
        filter=policy.body.filter,
        steps=len(policy.body.steps),
        document=policy.body,
        updated_at=moment(policy.since) or "",
        updated_by=policy.updated_by,
        owner="" if policy.owner is None else str(policy.owner),
        denied=services.alarm_work.policies.denied(policy),
        version=policy.version,
    )


def _reply(services: Services, policy: Policy) -> Reply:
    return Reply(_view(services, policy), version=policy.version)


async def list_notification_policies(services: Services, call: Call) -> Page[PolicyView]:
    """Answer with a page of policies."""
    found = services.alarm_work.policies.list(
        call.principal.tenant, after=after_of(call, "policies"), limit=call.query.limit + 1
    )
    view = partial(_view, services)
    return page_of(call, "policies", found, view, lambda policy: policy.name)


async def get_notification_policy(services: Services, call: Call) -> Reply:
    """Answer with a policy."""
    policy = services.alarm_work.policies.get(call.principal.tenant, call.path["policy"])
    return _reply(services, policy)


async def save_notification_policy(services: Services, call: Call) -> Reply:
    """Make or replace a policy."""
    policy = await services.alarm_work.policies.save(
        call.principal, call.path["policy"], call.body, version=call.if_match
    )
    return _reply(services, policy)


async def delete_notification_policy(services: Services, call: Call) -> None:
    """Forget a policy."""
    await services.alarm_work.policies.delete(
        call.principal, call.path["policy"], version=call.if_match
    )


_ONE = "/notification-policies/{policy}"
_TARGET = "notification_policy:{policy}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_notification_policies",
        "GET",
        "/notification-policies",
        "List notification policies",
        list_notification_policies,
        action="notification.read",
        tag="alarms",
        query=Paging,
        result=Page[PolicyView],
        command=Command(
            "notification",
            "list",
            columns=("name", "enabled", "filter", "steps", "owner", "denied"),
        ),
    ),
    Operation(
        "get_notification_policy",
        "GET",
        _ONE,
        "Show a notification policy",
        get_notification_policy,
        action="notification.read",
        target=_TARGET,
        tag="alarms",
        result=PolicyView,
        etag=True,
        errors=(NotFound,),
        command=Command("notification", "show"),
    ),
    Operation(
        "save_notification_policy",
        "PUT",
        _ONE,
        "Save a notification policy",
        save_notification_policy,
        action="notification.write",
        target=_TARGET,
        description=(
            "The filter is written as conditions of rules are, over alarm.severity, "
            "alarm.priority, alarm.rule, alarm.device, alarm.asset, alarm.assets, device.type, "
            "device.tags, device.attributes.x, asset.kind, asset.attributes.x and others. It says "
            "nothing of alarms from before it was saved. Whoever saves it owns it: it tells what "
            "its owner may read (alarm.read, and device.read or asset.read where the filter asks "
            "of them), at each telling."
        ),
        tag="alarms",
        body=PolicyBody,
        accepts=(JSON, YAML),
        result=PolicyView,
        if_match="optional",
        etag=True,
        errors=(Invalid, QuotaExceeded),
        example={
            "filter": "alarm.severity in ['major', 'critical']",
            "steps": [
                {"channels": [{"connector": "mail", "to": ["shift@example.com"]}]},
                {"after": "15m", "channels": [{"connector": "chat"}]},
            ],
            "remind": "1h",
            "quiet": {"times": "22:00-06:00", "zone": "Europe/Berlin", "unless": "urgent"},
        },
        command=Command("notification", "save", file=True),
    ),
    Operation(
        "delete_notification_policy",
        "DELETE",
        _ONE,
        "Delete a notification policy",
        delete_notification_policy,
        action="notification.write",
        target=_TARGET,
        description="What it has begun to tell ends.",
        tag="alarms",
        if_match="optional",
        errors=(NotFound,),
        command=Command("notification", "delete", confirm="Delete the policy {policy}?"),
    ),
)
