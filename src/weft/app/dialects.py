"""The dialects that are spoken besides the native one, and who answers in each.

A new dialect is a table in `ingest/dialects/` and a line in `make_dialects`; one in which devices
ask for something has an answerer as well, and a line in `make_answerers`.
"""

from collections.abc import Mapping

from msgspec import Struct

from weft.app.identity import Identity
from weft.broker.broker import Broker
from weft.commands.commands import Commands
from weft.config import Config
from weft.ingest.dialects import (
    aws_shadow,
    aws_shadow_answers,
    gateway,
    gateway_answers,
    lorawan_answers,
    lorawan_words,
    sparkplug,
    sparkplug_answers,
)
from weft.ingest.dialects.aws_shadow import AwsShadow
from weft.ingest.dialects.aws_shadow_answers import AwsShadowAnswers
from weft.ingest.dialects.desk import ACTS_MAX, Answerer, Desk, Replies
from weft.ingest.dialects.gateway import Gateway
from weft.ingest.dialects.gateway_answers import GatewayAnswers
from weft.ingest.dialects.lorawan import LoRaWan
from weft.ingest.dialects.lorawan_answers import LoRaWanAnswers
from weft.ingest.dialects.sparkplug import Sparkplug
from weft.ingest.dialects.sparkplug_answers import SparkplugAnswers
from weft.ingest.dialects.table import Dialects
from weft.ingest.dialects.thingsboard import answers as thingsboard_answers
from weft.ingest.dialects.thingsboard import table as thingsboard
from weft.ingest.dialects.thingsboard.answers import SessionLimits, ThingsBoardAnswers
from weft.ingest.dialects.thingsboard.calls import Calls, CallsGiven
from weft.ingest.dialects.thingsboard.requests import Requests
from weft.ingest.dialects.thingsboard.table import ThingsBoard
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest
from weft.model.ids import TenantId
from weft.ports import Clock
from weft.twins.twins import Twins


def make_dialects() -> Dialects:
    """Return the table of dialects, with what those remember that need to."""
    return Dialects((Gateway(), AwsShadow(), ThingsBoard(), Sparkplug(), LoRaWan()))


class Around(Struct, frozen=True):
    """What answerers work with."""

    identity: Identity
    gate: Gate
    ingest: Ingest
    broker: Broker
    twins: Twins
    commands: Commands
    desk: Desk
    clock: Clock
    config: Config

    def replies(self, dialect: str) -> Replies:
        """Return how to say something in a dialect."""
        return Replies(dialect, self.ingest, self.broker.has_subscriber)


class Spoken(Struct, frozen=True):
    """Who answers in each dialect, and those that are asked for more than answers."""

    answerers: Mapping[str, Answerer]  # by the names of their dialects
    thingsboard: Requests
    sparkplug: SparkplugAnswers
    lorawan: LoRaWanAnswers


def make_answerers(around: Around) -> Spoken:
    """Make the answerer of each dialect that has one."""
    answers, host = _thingsboard(around), _sparkplug(around)
    network = _lorawan(around)
    answerers: dict[str, Answerer] = {
        gateway.NAME: _gateway(around),
        aws_shadow.NAME: _aws_shadow(around),
        thingsboard.NAME: answers,
        sparkplug.NAME: host,
        lorawan_words.NAME: network,
    }
    requests = Requests(answers, around.identity.policy)
    return Spoken(answerers, requests, host, network)


def _sparkplug(around: Around) -> SparkplugAnswers:
    dialect = around.gate.dialects.named(sparkplug.NAME)
    assert isinstance(dialect, Sparkplug)
    identity = around.identity
    return SparkplugAnswers(
        sparkplug_answers.Given(
            dialect,
            around.ingest,
            around.commands,
            identity.devices,
            identity.presence,
            around.clock,
            around.replies(sparkplug.NAME),
            around.config.sparkplug,
        )
    )


def _lorawan(around: Around) -> LoRaWanAnswers:
    identity, tables = around.identity, around.config.lorawan
    silence_of = {(TenantId(one.tenant), name): one.silence_s for name, one in tables.items()}
    return LoRaWanAnswers(lorawan_answers.Given(identity.devices, identity.silences, silence_of))


def _gateway(around: Around) -> GatewayAnswers:
    identity, replies = around.identity, around.replies(gateway.NAME)
    return GatewayAnswers(gateway_answers.Given(identity.devices, identity.presence, replies))


def _aws_shadow(around: Around) -> AwsShadowAnswers:
    dialect = around.gate.dialects.named(aws_shadow.NAME)
    assert isinstance(dialect, AwsShadow)
    dialect.has_room_by(lambda: around.desk.undone < ACTS_MAX)
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
    dialect = around.gate.dialects.named(thingsboard.NAME)
    assert isinstance(dialect, ThingsBoard)
    dialect.find_calls_with(calls.find)
    return ThingsBoardAnswers(
        thingsboard_answers.Given(
            around.gate,
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
