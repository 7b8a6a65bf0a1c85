"""What a work order has beside its alarms: what people say of it, what is to be told of it."""

from enum import StrEnum

from msgspec import Struct


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


class OrderRef(Struct, frozen=True):
    """A fault's work order in one business system."""

    connector: str
    work_order_id: str
