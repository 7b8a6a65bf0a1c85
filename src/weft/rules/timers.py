"""The timers of waiting cells and of what is remembered: when time alone moves a device.

Bounded, no clock. A timer is of one episode, or of all that is remembered of one device.
One that something has overtaken is not looked for; it is passed over when it comes due, and
forgotten before there are too many.
"""

import heapq
from collections.abc import Callable

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.rules.cells import Cell, Phase
from weft.rules.feeds.base import NEVER
from weft.rules.model import Rule
from weft.rules.state import DeviceState

TIMERS_MAX = 500_000  # one a device and rule that waits, and some that no longer do


class Timer(Struct, frozen=True, order=True):
    """A moment of receipt at which the cell of one episode is looked at again."""

    due: int
    tenant: TenantId
    device_id: DeviceId
    rule_id: str  # empty: of what is remembered of the device
    position: int  # that began the episode

    def cell_in(self, state: DeviceState | None) -> Cell | None:
        """Return the cell that the timer is of; None when its episode is over."""
        cell = state.cells.get(self.rule_id) if state else None
        return cell if cell is not None and cell.position == self.position else None


class Timers:
    """All timers of a runtime, the next one first."""

    def __init__(
        self, find_state: Callable[[tuple[TenantId, DeviceId]], DeviceState | None]
    ) -> None:
        self.due = NEVER  # the moment of the next one, in nanoseconds
        self._find_state = find_state
        self._heap: list[Timer] = []

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, state: DeviceState, rule: Rule, cell: Cell) -> None:
        """Set the timer of a cell that waits; one that does not wait needs none.

        What a version finds by time is never older than that version, though the wait is.
        """
        wait = {
            Phase.PENDING: rule.document.for_ns,
            Phase.CLEARING: rule.document.clear_for_ns,
        }.get(cell.phase)
        if wait is None:
            return
        due = max(cell.since_received + wait, rule.updated_at)
        self._push(Timer(due, state.tenant, state.device_id, rule.rule_id, cell.position))

    def set_device(self, state: DeviceState, due: int) -> None:
        """Set the one timer of what is remembered of a device; NEVER sets none."""
        state.due = due
        if due < NEVER:
            self._push(Timer(due, state.tenant, state.device_id, "", 0))

    def _push(self, timer: Timer) -> None:
        if len(self._heap) >= TIMERS_MAX:
            self._forget_stale()
        heapq.heappush(self._heap, timer)
        self.due = self._heap[0].due

    def pop(self, now: int) -> Timer | None:
        """Take out the next timer that is due before `now`, or None."""
        timer = heapq.heappop(self._heap) if self.due < now else None
        self.due = self._heap[0].due if self._heap else NEVER
        return timer

    def _forget_stale(self) -> None:
        """Keep the timers of cells that still wait; a flapping condition leaves many others."""

        def lives(timer: Timer) -> bool:
            state = self._find_state((timer.tenant, timer.device_id))
            if not timer.rule_id:
                return state is not None and state.due == timer.due
            cell = timer.cell_in(state)
            return cell is not None and cell.waits

        self._heap = [timer for timer in set(self._heap) if lives(timer)]
        heapq.heapify(self._heap)
