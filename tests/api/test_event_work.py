"""What the API asks of events is what those who tell of them have."""

import inspect

from weft.api.event_work import Deliveries, KnownSubscriptions
from weft.connectors.events.deliverer import Deliverer
from weft.connectors.events.subscriptions import Subscriptions


def test_every_word_of_the_seam_is_kept() -> None:
    """The same names with the same parameters; nobody imports the other."""
    for seam, real in ((KnownSubscriptions, Subscriptions), (Deliveries, Deliverer)):
        for name, wanted in inspect.getmembers(seam, inspect.isfunction):
            if name.startswith("_"):
                continue
            given = inspect.signature(getattr(real, name)).parameters
            assert list(inspect.signature(wanted).parameters) == list(given), name
