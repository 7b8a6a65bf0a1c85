"""A connector that is saved and cannot be made any more, as after a package was taken out.

It takes what its rules ask for and says at each attempt why nothing is delivered, so that
what waits is neither lost nor a riddle.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NoReturn

from weft.connectors.base import WEBHOOK, WORK_ORDER, Delivered, Planned, Quality, Situation
from weft.connectors.base import RemoteState as State
from weft.connectors.fields import Field
from weft.errors import ConnectorError, WeftError
from weft.model.alarm import NOTIFICATION, OutboxEntry, WorkOrder
from weft.model.ids import WorkOrderId


class Unmade:
    """Stands where a connector cannot be made; says why."""

    actions = frozenset({NOTIFICATION, WEBHOOK, WORK_ORDER})
    follows = False
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = True
    quality = Quality.BRONZE
    page = "set-up-a-connector"

    def __init__(self, name: str, kind: str, error: WeftError) -> None:
        self.name = name
        self.kind = kind
        self._error = error

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:  # noqa: ARG002  nothing is sent
        """Say why it cannot be."""
        self._refuse()

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:  # noqa: ARG002
        """Say why it cannot be."""
        self._refuse()

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, State]:  # noqa: ARG002
        """Return nothing: nobody is asked."""
        return {}

    async def note(self, order: WorkOrder, text: str) -> None:  # noqa: ARG002
        """Say why it cannot be."""
        self._refuse()

    async def test(self) -> str:
        """Say why it cannot be."""
        self._refuse()

    async def close(self) -> None:
        """Let go of nothing."""
        return

    def _refuse(self) -> NoReturn:
        raise ConnectorError(
            f"This connector cannot be made any more: {self._error.detail}",
            remedy=self._error.remedy or "Set it up again.",
        )
