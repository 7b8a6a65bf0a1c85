"""Reading: what a subscription is to be told next, from the changes and from the journal.

Each source is read in its own order behind the position that was stored. What is no longer
kept when its turn comes is counted and told, never skipped in silence.
"""

from collections.abc import Sequence

from msgspec import Struct

from weft.connectors.events.describing import message_change, topic_of
from weft.connectors.events.kinds import CHANGES, HEAD, HEADS, key_of
from weft.model.ids import TenantId
from weft.model.subscription import JOURNALED, Change, Progress, Subscription
from weft.ports import Journal, Reader, Records

PAGE = 200
SCANNED_MAX = 20_000  # messages of others that one look passes over


class Part(Struct, frozen=True):
    """What comes next, how far both sources have been read, and whether there is more."""

    changes: Sequence[Change]
    sequence: int
    position: int
    missed: int = 0
    after_sequence: int = 0  # behind what was missed
    after_position: int = 0
    more: bool = False


async def next_part(
    records: Records, journal: Journal, subscription: Subscription, progress: Progress
) -> Part:
    """Return the next events of a subscription's topics, at most a page of each source."""
    tenant = subscription.tenant
    topics = frozenset(subscription.topics)

    def work(reader: Reader) -> tuple[list[Change], int]:
        return _changes(reader, tenant, progress.sequence)

    changes, head = await records.read(work)
    first = changes[0].sequence if changes else head + 1
    missed = max(0, first - progress.sequence - 1)
    began = max(progress.sequence, first - 1)
    sequence = changes[-1].sequence if changes else head
    wanted = [change for change in changes if change.topic in topics]
    if not topics & JOURNALED:
        more = len(changes) == PAGE
        return Part(wanted, sequence, journal.head, missed, began, more=more)
    after = max(progress.position, journal.tail - 1)
    missed += after - progress.position
    until = min(journal.head, after + SCANNED_MAX)
    position = after
    if until > after:
        async for batch in journal.read(after, until=until):
            for number, envelope in enumerate(batch.envelopes, batch.first):
                if not after < number <= until:
                    continue
                position = number
                if envelope.route.tenant == tenant and topic_of(envelope) in topics:
                    wanted.append(message_change(number, envelope))
                    if len(wanted) >= 2 * PAGE:
                        return Part(wanted, sequence, position, missed, began, after, more=True)
    more = len(changes) == PAGE or position < journal.head
    return Part(wanted, sequence, position, missed, began, after, more)


def _changes(reader: Reader, tenant: TenantId, after: int) -> tuple[list[Change], int]:
    found = reader.list(CHANGES, tenant, after=key_of(after), limit=PAGE)
    head = reader.find(HEADS, tenant, HEAD)
    return [one.value for one in found], head.value.sequence if head else 0
