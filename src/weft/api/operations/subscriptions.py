"""Operations on subscriptions: business systems say which events they want, and where."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Conflict, ConnectorError, Invalid, NotFound, QuotaExceeded
from weft.model.subscription import (
    DeadEvent,
    Mode,
    NewSubscription,
    Standing,
    SubscriptionPatch,
    Topic,
)
from weft.ports import Record


class SubscriptionView(Struct, frozen=True):
    """A subscription as the API shows it."""

    name: str
    url: str
    topics: list[Topic]
    filter: str
    mode: Mode
    handshake: bool
    owner: Annotated[str, Meta(description="Whose rights decide what is told.")]
    state: Annotated[str, Meta(description="asking, delivering, retrying or paused")]
    paused: Annotated[str, Meta(description="Why it rests; empty while it does not.")]
    delivered: int
    waiting_since: Annotated[Moment | None, Meta(description="Since when one event fails.")]
    next_attempt_at: Moment | None
    last_success_at: Moment | None
    last_error: str
    dead: Annotated[int, Meta(description="Events that the receiver did not take.")]
    missed: Annotated[int, Meta(description="Events no longer kept when their turn came.")]
    withheld: Annotated[int, Meta(description="Events that the owner may no longer read.")]
    created_at: Moment
    version: int
    secret: Annotated[str, Meta(description="Only when it was just made; never shown again.")] = ""


class DeadEventView(Struct, frozen=True):
    """An event that was not taken."""

    event_id: str
    type: str
    subject: str
    at: Moment
    error: str


class TestAnswer(Struct, frozen=True):
    """What the receiver said."""

    __test__ = False

    taken: bool
    answer: Annotated[str, Meta(description="In words; where it was not taken, what to do.")]


def view_of(standing: Standing, secret: str = "") -> SubscriptionView:
    """Show a subscription."""
    one, progress = standing.subscription, standing.progress
    return SubscriptionView(
        name=one.name,
        url=one.url,
        topics=list(one.topics),
        filter=one.filter,
        mode=one.mode,
        handshake=one.handshake,
        owner=str(one.owner),
        state=_state_of(standing),
        paused=progress.paused,
        delivered=progress.delivered,
        waiting_since=moment(progress.failing_since),
        next_attempt_at=moment(progress.next_at) if progress.next_at else None,
        last_success_at=moment(progress.last_success_at),
        last_error=progress.last_error,
        dead=standing.dead,
        missed=progress.missed,
        withheld=progress.withheld,
        created_at=moment(one.created_at) or "",
        version=one.version,
        secret=secret,
    )


def _state_of(standing: Standing) -> str:
    progress = standing.progress
    if progress.paused:
        return "paused"
    if progress.failures:
        return "retrying"
    return "asking" if standing.subscription.handshake and not progress.confirmed else "delivering"


def _reply(standing: Standing, secret: str = "") -> Reply:
    return Reply(view_of(standing, secret), version=standing.subscription.version)


async def list_subscriptions(services: Services, call: Call) -> Page[SubscriptionView]:
    """Answer with a page of subscriptions."""
    found = await services.events.subscriptions.list(
        call.principal.tenant, after=after_of(call, "subscriptions"), limit=call.query.limit + 1
    )
    return page_of(call, "subscriptions", found, view_of, lambda one: one.subscription.name)


async def create_subscription(services: Services, call: Call) -> Reply:
    """Save a subscription."""
    return _reply(*await services.events.subscriptions.create(call.principal, call.body))


async def get_subscription(services: Services, call: Call) -> Reply:
    """Answer with one subscription."""
    name, tenant = call.path["name"], call.principal.tenant
    return _reply(await services.events.subscriptions.get(tenant, name))


async def update_subscription(services: Services, call: Call) -> Reply:
    """Change a subscription."""
    changed = await services.events.subscriptions.patch(
        call.principal, call.path["name"], call.body, version=call.if_match
    )
    return _reply(changed)


async def delete_subscription(services: Services, call: Call) -> None:
    """Delete a subscription."""
    await services.events.subscriptions.delete(
        call.principal, call.path["name"], version=call.if_match
    )


async def test_subscription(services: Services, call: Call) -> TestAnswer:
    """Send a test event now; that it is not taken is an answer, no fault of ours."""
    deliveries = services.events.deliveries
    try:
        said = await deliveries.test(call.principal.tenant, call.path["name"])
    except ConnectorError as error:
        return TestAnswer(taken=False, answer=f"{error.detail} {error.remedy}".strip())
    return TestAnswer(taken=True, answer=said)


test_subscription.__test__ = False  # type: ignore[attr-defined]  # a handler, not a test


async def list_dead_events(services: Services, call: Call) -> Page[DeadEventView]:
    """Answer with a page of events that were not taken."""
    name = call.path["name"]
    listing = f"subscriptions/{name}/dead"
    found = await services.events.subscriptions.dead_events(
        call.principal.tenant, name, after=after_of(call, listing), limit=call.query.limit + 1
    )
    return page_of(call, listing, found, _dead_view, lambda one: str(one.key))


def _dead_view(record: Record[DeadEvent]) -> DeadEventView:
    dead = record.value
    return DeadEventView(dead.event_id, dead.type, dead.subject, moment(dead.at) or "", dead.error)


async def redrive_event(services: Services, call: Call) -> None:
    """Tell an event again, now."""
    deliveries = services.events.deliveries
    await deliveries.redrive(call.principal, call.path["name"], call.path["event_id"])


_ONE = "/subscriptions/{name}"
_TARGET = "subscription:{name}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_subscriptions",
        "GET",
        "/subscriptions",
        "List subscriptions to events",
        list_subscriptions,
        action="subscription.read",
        query=Paging,
        result=Page[SubscriptionView],
        command=Command(
            "subscription", "list", columns=("name", "state", "delivered", "dead", "last_error")
        ),
    ),
    Operation(
        "create_subscription",
        "POST",
        "/subscriptions",
        "Subscribe a receiver to events",
        create_subscription,
        action="subscription.write",
        description=(
            "Events are CloudEvents 1.0, signed, at least once and in the order of each subject. "
            "Before the first the receiver is asked by OPTIONS with WebHook-Request-Origin. The "
            "filter is written as conditions of rules are, over event.type, event.subject, "
            "alarm.severity, alarm.rule, work_order.state, device.type, device.tags, asset.path, "
            "data.x and their neighbours."
        ),
        body=NewSubscription,
        result=SubscriptionView,
        status=201,
        etag=True,
        secret=True,
        errors=(AlreadyExists, Invalid, QuotaExceeded),
        example={
            "name": "cmms",
            "url": "https://cmms.example.com/weft",
            "filter": "alarm.severity == 'critical'",
        },
        command=Command("subscription", "add", arguments=("name", "url")),
    ),
    Operation(
        "get_subscription",
        "GET",
        _ONE,
        "Show a subscription and how far it has come",
        get_subscription,
        action="subscription.read",
        target=_TARGET,
        result=SubscriptionView,
        etag=True,
        errors=(NotFound,),
        command=Command("subscription", "show"),
    ),
    Operation(
        "update_subscription",
        "PATCH",
        _ONE,
        "Change a subscription, pause it or let it go on",
        update_subscription,
        action="subscription.write",
        target=_TARGET,
        body=SubscriptionPatch,
        result=SubscriptionView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Invalid),
        example={"paused": False},
        command=Command("subscription", "update"),
    ),
    Operation(
        "delete_subscription",
        "DELETE",
        _ONE,
        "Delete a subscription with its dead events",
        delete_subscription,
        action="subscription.write",
        target=_TARGET,
        if_match="optional",
        errors=(NotFound,),
        command=Command("subscription", "delete", confirm="Delete the subscription {name}?"),
    ),
    Operation(
        "test_subscription",
        "POST",
        _ONE + "/test",
        "Send a signed test event now",
        test_subscription,
        action="subscription.write",
        target=_TARGET,
        result=TestAnswer,
        errors=(NotFound,),
        command=Command("subscription", "test"),
    ),
    Operation(
        "list_dead_events",
        "GET",
        _ONE + "/dead-events",
        "List events that the receiver did not take",
        list_dead_events,
        action="subscription.read",
        target=_TARGET,
        query=Paging,
        result=Page[DeadEventView],
        errors=(NotFound,),
        command=Command(
            "subscription", "dead", columns=("event_id", "type", "subject", "at", "error")
        ),
    ),
    Operation(
        "redrive_event",
        "POST",
        _ONE + "/dead-events/{event_id}/redrive",
        "Tell a receiver an event again, now",
        redrive_event,
        action="subscription.redrive",
        target=_TARGET,
        errors=(NotFound, Conflict, ConnectorError),
        command=Command("subscription", "redrive"),
    ),
)
