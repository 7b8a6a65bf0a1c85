"""The operation that takes telemetry as a stream of lines (NDJSON).

Each line goes through the gate as a message of its own. The answer comes when all of them
are on disk, and says which were refused; these stand in the rejection inbox as well.
"""

import asyncio

from msgspec import Struct

from weft.api.lines import Batch, read_lines
from weft.api.operation import Call, Operation
from weft.api.operations.telemetry import note_heard
from weft.api.services import Services
from weft.errors import (
    Forbidden,
    NotFound,
    PayloadInvalid,
    RateLimited,
    StorageError,
    TooLarge,
    Unavailable,
)
from weft.model.principal import Principal
from weft.security.limits import LimitKind

NDJSON = "application/x-ndjson"
REFUSALS_MAX = 100  # shown in the answer; the inbox has all of them


class RefusedLine(Struct, frozen=True):
    """A line that was refused."""

    line: int
    code: str
    detail: str


class LinesTaken(Struct):
    """What became of a stream of lines."""

    accepted: int = 0
    refused: int = 0
    position: int = 0  # of the newest line in the journal
    refusals: list[RefusedLine] = []  # the first of them


async def stream_telemetry(services: Services, call: Call) -> LinesTaken:
    """Admit each line as telemetry."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    topic = f"devices/{device.device_id}/telemetry"
    feed = services.ingest.feed(call.principal, topic, address=call.address)
    taken = LinesTaken(refusals=[])
    assert call.receive is not None
    limits = services.settings.lines
    async for batch in read_lines(
        call.receive, line_max_bytes=limits.line_max_bytes, idle_s=limits.idle_s
    ):
        if taken.accepted + taken.refused + len(batch) > limits.lines_max:
            raise TooLarge(
                f"More than {limits.lines_max} lines in one request; {_kept(taken)}",
                remedy="Send the rest in another request.",
            )
        await _pay(services, call.principal, batch, taken)
        try:
            taken.position, reasons = await feed.put([line for _, line in batch])
        except StorageError as error:
            raise StorageError(f"{error.detail} {_kept(taken)}", remedy=error.remedy) from error
        if None in reasons:
            note_heard(services, call.principal, call.address)
        for (number, _), reason in zip(batch, reasons, strict=True):
            if reason is None:
                taken.accepted += 1
                continue
            taken.refused += 1
            if len(taken.refusals) < REFUSALS_MAX:
                taken.refusals.append(RefusedLine(number, reason.code, reason.detail))
    return taken


def _kept(taken: LinesTaken) -> str:
    return f"The first {taken.accepted + taken.refused} are kept."


async def _pay(services: Services, principal: Principal, batch: Batch, taken: LinesTaken) -> None:
    """Count lines as the messages that they are; who is over the rate is read more slowly."""
    size = sum(len(line) for _, line in batch)
    waited_s = 0.0
    for kind, amount in ((LimitKind.MESSAGES, len(batch)), (LimitKind.BYTES, size)):
        while True:
            wait_s = services.limiter.take(principal.tenant, principal, kind, amount)
            if wait_s <= 0:
                break
            waited_s += wait_s
            if waited_s > services.settings.lines.idle_s:
                raise RateLimited(
                    f"{principal}, or its tenant, sends more {kind} than it may. {_kept(taken)}",
                    retry_after_s=wait_s,
                    remedy="Send the rest in another request, more slowly.",
                )
            await asyncio.sleep(wait_s)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "stream_telemetry",
        "POST",
        "/devices/{device_id}/telemetry/stream",
        "Send telemetry of a device as lines",
        stream_telemetry,
        action="telemetry.write",
        target="device:{device_id}",
        description=(
            "NDJSON of any length: each line is what a telemetry message is, a reading or a list "
            "of them. Answered with 200 when every line is kept: those that were refused are "
            "counted, the first 100 are named, and all stand in the rejection inbox. A request "
            "that breaks off has kept its whole lines up to there; lines with a ts of their own "
            "may be sent again."
        ),
        tag="ingest",
        body=bytes,
        streams=True,
        accepts=(NDJSON,),
        body_schema=str,
        result=LinesTaken,
        errors=(NotFound, Forbidden, PayloadInvalid, TooLarge, Unavailable),
        example='{"temperature": 21.4}\n{"temperature": 21.5}\n',
    ),
)
