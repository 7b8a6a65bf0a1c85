"""Patterns: label matchers with =~, in a time that grows with the text alone.

Of regular expressions the part is read that dashboards write (`pump-.*`, `a|b|c`, `pump\\.1`):
letters, `.`, `.*`, `.+`, alternatives and what is escaped. All of it has to fit. A general one
could be written so that it never comes to an end.
"""

from typing import Final

from weft.errors import Invalid

ALTERNATIVES_MAX: Final = 1_000
_ANY, _MANY = 0, 1  # one character; any number of them
_REFUSED: Final = frozenset("[]{}^$?*+()")

Alternative = tuple[str | int, ...]


class Pattern:
    """What a label's value must be, all of it."""

    def __init__(self, text: str) -> None:
        body = text.removeprefix("^").removesuffix("$")
        body = body.removeprefix("(?:") if body.startswith("(?:") else body.removeprefix("(")
        if len(body) < len(text.removeprefix("^").removesuffix("$")):
            if not body.endswith(")"):
                raise _refused(text)
            body = body[:-1]
        self._alternatives = _read(body, text)
        if len(self._alternatives) > ALTERNATIVES_MAX:
            raise Invalid(
                f"A pattern has {len(self._alternatives)} alternatives.",
                remedy=f"Write at most {ALTERNATIVES_MAX}.",
            )
        self._words = frozenset(
            "".join(map(str, one)) for one in self._alternatives if not _wild(one)
        )
        self._wild = [one for one in self._alternatives if _wild(one)]

    def fits(self, value: str) -> bool:
        """Return whether a value is as the pattern says."""
        return value in self._words or any(_fits(one, value) for one in self._wild)


def _wild(alternative: Alternative) -> bool:
    return any(isinstance(part, int) for part in alternative)


def _read(body: str, text: str) -> list[Alternative]:
    found: list[Alternative] = []
    held: list[str | int] = []
    place = 0
    while place < len(body):
        character = body[place]
        following = body[place + 1 : place + 2]
        place += 1
        if character == "|":
            found.append(tuple(held))
            held = []
        elif character == "\\" and following:
            held.append(following)
            place += 1
        elif character == ".":
            if following in {"*", "+"}:
                held += [_ANY, _MANY] if following == "+" else [_MANY]
                place += 1
            else:
                held.append(_ANY)
        elif character in _REFUSED:
            raise _refused(text)
        else:
            held.append(character)
    return [*found, tuple(held)]


def _fits(pattern: Alternative, value: str) -> bool:
    """Match as file names are matched: on a mismatch the last `.*` takes one more."""
    place = at = 0
    star, mark = -1, 0
    while at < len(value):
        if place < len(pattern) and (pattern[place] == _ANY or pattern[place] == value[at]):
            place += 1
            at += 1
        elif place < len(pattern) and pattern[place] == _MANY:
            star, mark = place, at
            place += 1
        elif star >= 0:
            mark += 1
            place, at = star + 1, mark
        else:
            return False
    return all(part == _MANY for part in pattern[place:])


def _refused(text: str) -> Invalid:
    return Invalid(
        f"The pattern {text[:200]!r} is not read.",
        remedy="Write letters, `.`, `.*`, `.+`, alternatives as a|b, and \\ before other signs.",
    )
