"""Tags: each once, safe words only, and not without an end."""

import pytest

from weft.errors import Invalid, TooLarge
from weft.registry.tags import TAGS_MAX, require_tags


def test_a_tag_stands_once_in_the_order_given() -> None:
    """Who types a word twice means it once."""
    assert require_tags(["critical", "hall-2", "critical"]) == ("critical", "hall-2")


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "+", "x" * 129])
def test_a_word_that_would_mean_something_elsewhere_is_refused(tag: str) -> None:
    """A comma would be two tags in the next list."""
    with pytest.raises(Invalid):
        require_tags([tag])


def test_there_are_not_many_tags() -> None:
    """The record stays small."""
    words = [f"t{number}" for number in range(TAGS_MAX + 1)]
    assert len(require_tags(words[:-1])) == TAGS_MAX
    with pytest.raises(TooLarge):
        require_tags(words)
