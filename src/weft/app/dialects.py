"""The dialects that are spoken besides the native one, and who answers in each.

A new dialect is a table in `ingest/dialects/` and a line in `DIALECTS`; one in which devices
ask for something has an answerer as well, and a line in `make_answerers`.
"""

from collections.abc import Mapping

from msgspec import Struct

from weft.app.identity import Identity
from weft.broker.broker import Broker
from weft.ingest.dialects import aws_shadow, aws_shadow_answers
from weft.ingest.dialects.aws_shadow import AwsShadow
from weft.ingest.dialects.aws_shadow_answers import AwsShadowAnswers
from weft.ingest.dialects.desk import Answerer, Replies
from weft.ingest.dialects.dialect import Dialect
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest
from weft.ports import Clock
from weft.twins.twins import Twins

DIALECTS: tuple[Dialect, ...] = (AwsShadow(),)


class Around(Struct, frozen=True):
    """What answerers work with."""

    identity: Identity
    gate: Gate
    ingest: Ingest
    broker: Broker
    twins: Twins
    clock: Clock

    def replies(self, dialect: str) -> Replies:
        """Return how to say something in a dialect."""
        return Replies(dialect, self.ingest, self.broker.has_subscriber)


def make_answerers(around: Around) -> Mapping[str, Answerer]:
    """Return the answerer of each dialect that has one, by the dialect's name."""
    return {aws_shadow.NAME: _aws_shadow(around)}


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
