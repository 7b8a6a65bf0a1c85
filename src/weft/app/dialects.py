"""The dialects that are spoken besides the native one, and who answers in each.

A new dialect is a table in `ingest/dialects/` and a line in `DIALECTS`; one in which devices
ask for something has an answerer as well, and a line in `make_answerers`.
"""

from collections.abc import Mapping

from msgspec import Struct

from weft.app.identity import Identity
from weft.broker.broker import Broker
from weft.commands.commands import Commands
from weft.config import Config
from weft.ingest.dialects import aws_shadow, aws_shadow_answers
from weft.ingest.dialects.aws_shadow import AwsShadow
from weft.ingest.dialects.aws_shadow_answers import AwsShadowAnswers
from weft.ingest.dialects.desk import Answerer, Replies
from weft.ingest.dialects.dialect import Dialect
from weft.ingest.dialects.thingsboard import answers as thingsboard_answers
from weft.ingest.dialects.thingsboard import table as thingsboard
from weft.ingest.dialects.thingsboard.answers import SessionLimits, ThingsBoardAnswers
from weft.ingest.dialects.thingsboard.calls import Calls, CallsGiven
from weft.ingest.dialects.thingsboard.requests import Requests
from weft.ingest.dialects.thingsboard.table import ThingsBoard
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest
from weft.ports import Clock
from weft.twins.twins import Twins

DIALECTS: tuple[Dialect, ...] = (AwsShadow(), ThingsBoard())


class Around(Struct, frozen=True):
    """What answerers work with."""

    identity: Identity
    gate: Gate
    ingest: Ingest
    broker: Broker
    twins: Twins
    commands: Commands
    clock: Clock
    config: Config

    def replies(self, dialect: str) -> Replies:
        """Return how to say something in a dialect."""
        return Replies(dialect, self.ingest, self.broker.has_subscriber)


def make_answerers(around: Around) -> tuple[Mapping[str, Answerer], Requests]:
    """Return the answerers by the names of their dialects, and ThingsBoard's requests."""
    answers = _thingsboard(around)
    answerers: dict[str, Answerer] = {
        aws_shadow.NAME: _aws_shadow(around),
        thingsboard.NAME: answers,
    }
    return answerers, Requests(answers)


def _aws_shadow(around: Around) -> AwsShadowAnswers:
    return AwsShadowAnswers(
        aws_shadow_answers.Given(
            around.gate,
            around.ingest,
            around.twins,
            around.identity.policy,
            around.clock,
            around.replies(aws_shadow.NAME),
        )
    )


def _thingsboard(around: Around) -> ThingsBoardAnswers:
    config, devices = around.config, around.identity.devices
    replies = around.replies(thingsboard.NAME)
    limits = SessionLimits(
        config.transports.mqtt.limits.max_packet_bytes,
        config.security.limits.principal_messages.per_s,
    )
    calls = Calls(
        CallsGiven(
            around.commands,
            around.ingest,
            devices,
            around.clock,
            replies,
            around.broker.is_queued,
            around.broker.withdraw,
        )
    )
    return ThingsBoardAnswers(
        thingsboard_answers.Given(
            around.ingest,
            around.twins,
            devices,
            around.clock,
            replies,
            limits,
            calls,
            around.identity.presence,
        )
    )
