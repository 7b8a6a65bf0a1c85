"""Subscriptions as values: every topic has a right, and a secret is long enough."""

import msgspec
import pytest

from weft.model.subscription import JOURNALED, RIGHT_OF, NewSubscription, Topic


def test_every_topic_asks_for_a_right() -> None:
    """None is told of that nobody has decided about."""
    assert set(RIGHT_OF) == set(Topic)
    assert set(Topic) > JOURNALED


def test_a_short_secret_is_refused() -> None:
    """A signature with a guessable key proves nothing."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "a", "url": "https://a", "secret": "short"}, NewSubscription)
