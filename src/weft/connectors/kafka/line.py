"""A line to Kafka: our messages to its topics, and orders of business systems from them.

Outwards the journal is read behind a stored position and each message is keyed by its device,
so one device's messages stay in order; the producer is idempotent, and the position is stored
behind what all replicas have acknowledged. Inwards an offset is committed when what its
message asks for is on disk, or was refused for good; that message stays in Kafka at the place
that the log names.
"""

import asyncio
import importlib
import ssl
from typing import Any

from msgspec import Struct

from weft.connectors.bridge.bridge import find_key
from weft.connectors.credentials import Credentials
from weft.connectors.kafka.orders import Doors, carry_out, read_order
from weft.connectors.kafka.settings import KafkaSettings, require_sound
from weft.connectors.shares import Share
from weft.errors import ConfigurationError, ConnectorError, PeerError, StorageError, Unavailable
from weft.model.ids import TenantId
from weft.model.message import Envelope
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Journal, Kind, Records
from weft.supervision import keep_running

log = get_logger(__name__)

AT_ONCE = 500  # messages on their way before the position is stored
LOOK_S = 0.2
POLL_MS = 500
FAULTS = (ConnectorError, StorageError, Unavailable)


class Carried(Struct, frozen=True):
    """How far a line has carried messages out, and how many it came too late for."""

    position: int
    missed: int = 0


LINES: Kind[Carried] = Kind("kafka", Carried)


class LineGiven(Struct, frozen=True):
    """What lines work with."""

    records: Records
    journal: Journal
    doors: Doors
    credentials: Credentials
    clock: Clock
    share: Share


def load_library() -> Any:
    """Return aiokafka, or raise `ConfigurationError` where the extra is not installed."""
    try:
        return importlib.import_module("aiokafka")
    except ImportError as error:
        raise ConfigurationError(
            "[kafka] needs a library that is not installed.", remedy="Install weft[kafka]."
        ) from error


class Line:
    """One configured cluster; `run` carries until cancelled."""

    def __init__(self, name: str, settings: KafkaSettings, given: LineGiven) -> None:
        self.name = name
        self.health = "not connected yet"
        self.done = 0  # orders that were carried out
        self.refused = 0
        self._settings = settings
        self._out = require_sound(name, settings)
        self._library = load_library()
        self._given = given
        self._tenant = TenantId(settings.tenant)
        self._carried = Carried(0)

    async def run(self) -> None:
        """Carry until cancelled, through every fault of the cluster."""
        async with asyncio.TaskGroup() as tasks:
            if self._out:
                tasks.create_task(self._keep(self._send))
            if self._settings.into:
                tasks.create_task(self._keep(self._receive))

    async def _keep(self, work: Any) -> None:
        def failed(error: Exception, wait_s: float) -> None:
            self.health = str(error)
            log.warning("kafka_down", line=self.name, error=str(error), again_in_s=round(wait_s, 1))

        await keep_running(lambda: self._told(work), expected=FAULTS, failed=failed)

    async def _told(self, work: Any) -> None:
        """Turn whatever the library raises into `ConnectorError`."""
        try:
            await work()
        except (self._library.errors.KafkaError, OSError) as error:
            raise ConnectorError(
                f"Kafka failed ({type(error).__name__}).", remedy="Check its servers and our user."
            ) from error

    async def _options(self) -> dict[str, Any]:
        settings = self._settings
        context = None
        if settings.tls:
            context = await asyncio.to_thread(
                ssl.create_default_context, cafile=settings.ca_file or None
            )
        protocol = ("SASL_" if settings.username else "") + ("SSL" if settings.tls else "PLAINTEXT")
        options: dict[str, Any] = {
            "bootstrap_servers": list(settings.servers),
            "client_id": f"weft-{self.name}",
            "security_protocol": protocol,
            "ssl_context": context,
            "request_timeout_ms": round(settings.timeout_s * 1000),
        }
        if settings.username:
            options["sasl_mechanism"] = settings.mechanism
            options["sasl_plain_username"] = settings.username
            options["sasl_plain_password"] = await self._given.credentials.get(settings.password)
        return options

    async def _principal(self) -> Principal:
        given = self._given
        return await find_key(given.records, self._tenant, self._settings.key, given.clock.now())

    # --- out ---

    async def _send(self) -> None:
        principal = await self._principal()
        self._carried = await self._load()
        producer = self._library.AIOKafkaProducer(
            **await self._options(), enable_idempotence=True, acks="all"
        )
        await producer.start()
        try:
            self.health = "ok"
            while True:
                await self._send_new(producer, principal)
                await asyncio.sleep(LOOK_S)
        finally:
            await producer.stop()

    async def _send_new(self, producer: Any, principal: Principal) -> None:
        journal = self._given.journal
        after, missed = self._carried.position, self._carried.missed
        if journal.tail - 1 > after:
            log.error("kafka_missed", line=self.name, count=journal.tail - 1 - after)
            missed += journal.tail - 1 - after
            after = journal.tail - 1
        until = journal.head
        if until <= after:
            return
        sent: list[Any] = []
        async for batch in journal.read(after, until=until):
            for position, envelope in enumerate(batch.envelopes, batch.first):
                topic = self._outward(envelope, principal) if after < position <= until else None
                if topic is not None:
                    sent.append(await self._put(producer, topic, position, envelope))
            if len(sent) >= AT_ONCE:
                await self._acknowledged(sent, Carried(min(batch.last, until), missed))
        await self._acknowledged(sent, Carried(until, missed))

    async def _put(self, producer: Any, topic: str, position: int, envelope: Envelope) -> Any:
        route = envelope.route
        headers = [
            ("weft-topic", route.topic.encode()),
            ("weft-position", str(position).encode()),  # the same when it is sent again
        ]
        return await producer.send(
            topic,
            envelope.payload,
            key=(route.device_id or route.topic).encode(),
            timestamp_ms=envelope.received_at // 1_000_000,
            headers=headers,
        )

    async def _acknowledged(self, sent: list[Any], carried: Carried) -> None:
        """Wait until all replicas have what was sent; only then is the position stored."""
        for future in sent:
            await future
        sent.clear()
        await self._given.records.write(lambda w: w.put(LINES, self._tenant, self.name, carried))
        self._carried = carried

    def _outward(self, envelope: Envelope, principal: Principal) -> str | None:
        route = envelope.route
        if route.tenant != self._tenant or envelope.rejection is not None:
            return None
        if route.principal_uid == principal.uid:
            return None  # it came in by us
        topic = self._out.map(route.topic)
        if topic is None:
            return None
        target = f"topic:{route.topic}"
        policy = self._given.doors.policy
        return topic if policy.decide(principal, "topic.receive", target).allowed else None

    async def _load(self) -> Carried:
        records = self._given.records
        found = await records.read(lambda r: r.find(LINES, self._tenant, self.name))
        if found is not None:
            return found.value
        first = Carried(self._given.journal.head)  # it begins with what comes from now on
        await records.write(lambda w: w.put(LINES, self._tenant, self.name, first))
        return first

    # --- in ---

    async def _receive(self) -> None:
        principal = await self._principal()
        consumer = self._library.AIOKafkaConsumer(
            *self._settings.into,
            **await self._options(),
            group_id=self._settings.group or f"weft-{self.name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            self.health = "ok"
            while True:
                for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                    for record in records:
                        await self._admit(principal, record)
                    await consumer.commit({partition: records[-1].offset + 1})
        finally:
            await consumer.stop()

    async def _admit(self, principal: Principal, record: Any) -> None:
        """Do what a message asks for; a refusal is told and the next has its turn."""
        place = f"{self._tenant}/{self.name}/{record.topic}/{record.partition}/{record.offset}"
        await self._given.share.pay(principal, 1, len(record.value or b""))
        try:
            await carry_out(self._given.doors, principal, read_order(record.value), place)
            self.done += 1
        except PeerError as error:
            self.refused += 1
            log.error("kafka_order_refused", place=place, error=error.detail, remedy=error.remedy)
        except FAULTS:
            raise  # read again from the last commit
        except Exception:  # a bug parks the message that met it: it stays in Kafka
            self.refused += 1
            log.exception("kafka_order_bug", place=place)
