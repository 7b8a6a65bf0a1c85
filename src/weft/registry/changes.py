"""Changes: who is told, at once and on the loop, that a record is not what it was.

The gate, the rules and the live streams keep what they have looked up; each asks to be
told here, so that no cache outlives the record it was made from.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Listeners(Generic[T]):
    """Callbacks in the order in which they came; they are quick and do not raise."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[T], None]] = []

    def add(self, callback: Callable[[T], None]) -> None:
        """Call `callback` at every change from now on."""
        self._callbacks.append(callback)

    def tell(self, change: T) -> None:
        """Tell all, in order."""
        for callback in self._callbacks:
            callback(change)
