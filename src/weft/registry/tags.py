"""Tags: words that people find devices and assets by, each once, in the order given."""

from collections.abc import Sequence
from typing import Final

from weft.errors import TooLarge
from weft.model.ids import require_name

TAGS_MAX: Final = 64


def require_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags without repeats; raise `Invalid` for a word that cannot be one."""
    once = tuple(dict.fromkeys(tags))
    if len(once) > TAGS_MAX:
        raise TooLarge(
            f"There are {len(once)} tags; at most {TAGS_MAX} fit.",
            remedy="Keep facts as attributes; a tag is one word.",
        )
    for tag in once:
        require_name(tag, "tag")
    return once
