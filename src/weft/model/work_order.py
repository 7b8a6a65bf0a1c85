"""What a work order has beside its alarms: what people say of it, what is to be told of it."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class OnClose(StrEnum):
    """What becomes of alarms whose condition still holds when their work order is closed."""

    CLEAR = "clear"  # whoever closes is believed
    QUESTION = "question"  # the alarm stays, and says who has closed and when
    NOTHING = "nothing"


CLEAR_NOTED: Final = "clear_noted_at"  # in `WorkOrder.details`, once the far side was told
DETACHED: Final = "detached_at"  # there too, once its system is no longer ours to ask
CLOSING: Final = "closing_at"  # there too, while Weft itself ends the far side's record


class Remark(Struct, frozen=True):
    """What a person wrote on a work order."""

    at: int  # ns UTC
    by: str
    text: str


class TellingKind(StrEnum):
    """What the far side is to be told of its record."""

    NOTE = "note"
    CLOSE = "close"
    CANCEL = "cancel"
    REOPEN = "reopen"


class Telling(Struct, frozen=True):
    """Something that the far side has not been told yet; kept until it has."""

    kind: TellingKind
    text: str
    at: int  # ns UTC
    times: int = 0  # how often its fault has come again, which it tells as one; 0: another thing


class OrderRef(Struct, frozen=True):
    """A fault's work order in one business system."""

    connector: str
    work_order_id: str
