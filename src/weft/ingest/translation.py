"""Translation: a message in a dialect becomes native messages, each to be decided on."""

from collections.abc import Sequence

from weft.errors import PayloadInvalid
from weft.ingest.dialects.dialect import PARTS_MAX, Dialect, Speaker
from weft.ingest.dialects.table import Dialects
from weft.ingest.gate_session import GateSession, Incoming, KnownDevices, KnownTypes, Part


class Translation:
    """Puts messages into native words."""

    def __init__(self, dialects: Dialects, devices: KnownDevices, types: KnownTypes) -> None:
        self.dialects = dialects
        self._devices = devices
        self._types = types

    def parts_of(
        self, session: GateSession, message: Incoming, dialect: Dialect, *, again: bool = False
    ) -> Sequence[Part]:
        """Return a message in native words."""
        principal = session.principal
        device = self._devices.find(principal.tenant, session.device_id)
        speaker = Speaker(principal, device, self._devices, self._types, again)
        said = dialect.read(speaker, message.topic, message.payload)
        if len(said) > PARTS_MAX:
            raise PayloadInvalid(
                f"The message holds {len(said)} messages; at most {PARTS_MAX} are taken at once.",
                remedy="Send them in several messages.",
            )
        return [
            Part(
                one.topic,
                one.payload,
                message.qos,
                message.packet_id,
                content_type=one.content_type,
                refused=one.refused,
            )
            for one in said
        ]

    def in_native_words(
        self, session: GateSession, message: Incoming, content_type: str = ""
    ) -> Sequence[Part]:
        """Return the native messages that a message stands for: mostly itself.

        For one that is redriven, or judged before it is sent: a dialect learns nothing from it.
        """
        dialect = self.dialects.of_topic(message.topic)
        if dialect is not None:
            parts = self.parts_of(session, message, dialect, again=True)
            for part in parts:
                if part.refused is not None:
                    raise part.refused
            return parts
        return [
            Part(
                message.topic,
                message.payload,
                message.qos,
                message.packet_id,
                message.retain,
                message.dup,
                content_type,
            )
        ]
