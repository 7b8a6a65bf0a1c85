"""Words of a condition, each with its column: the only place that reads characters.

Anything that CEL knows and we do not (bytes, raw and triple-quoted strings, unsigned
numbers, comments, macros' braces) is refused here by name, with what to write instead.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from weft.errors import Invalid
from weft.rules.durations import read_duration

MAX_CHARACTERS = 4_096  # RU-2
UNIT_MAX = 40  # characters of a unit, brackets included
INT_MAX = 2**63 - 1
INT_MIN = -(2**63)

RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
        "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip

# Each pattern is linear: no nested repetition, so no text makes it slow.
_WORDS = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<duration>(?:\d++(?:\.\d++)?(?:ms|[smhd]))++(?![A-Za-z0-9_.]))
    | (?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<hex>0[xX][0-9a-fA-F]+)
    | (?P<int>\d+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
    | (?P<mark>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]])
    """,
    re.VERBOSE | re.ASCII,
)

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "`": "`", "?": "?",
}  # fmt: skip

_WRITE_INSTEAD = {
    "&": "Write && for a logical and; there are no bit operations.",
    "|": "Write || for a logical or; there are no bit operations.",
    "=": "Write == to compare; a condition cannot assign.",
    "{": "Maps and messages cannot be written in a condition.",
    "}": "Maps and messages cannot be written in a condition.",
    ";": "A condition is one expression.",
    '"': "Close the string on the same line.",
    "'": "Close the string on the same line.",
    "`": "Write telemetry['the-key'] for a key that is no plain name.",
    "^": "There are no bit operations and no powers.",
    "~": "There are no bit operations.",
}


class Sort(StrEnum):
    """What kind of word a token is."""

    INT = "int"
    DURATION = "duration"
    DOUBLE = "double"
    UNIT = "unit"
    STRING = "string"
    NAME = "name"
    MARK = "mark"
    END = "end"


class Token(NamedTuple):
    """One word: its sort, its text or value, and the column it starts in (from 1)."""

    sort: Sort
    text: str
    value: int | float | str
    column: int


def refuse(column: int, what: str, remedy: str) -> Invalid:
    """Make the error for a place in the condition."""
    return Invalid(f"Column {column}: {what}", remedy=remedy)


def tokenize(text: str) -> list[Token]:
    """Split a condition into tokens, the last of sort END."""
    if len(text) > MAX_CHARACTERS:
        raise Invalid(
            f"The condition is {len(text)} characters long; at most {MAX_CHARACTERS} are read.",
            remedy="Split it into several rules.",
        )
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        match = _WORDS.match(text, place)
        if match is None:
            raise _unreadable(text, place)
        sort, word = str(match.lastgroup), match.group()
        if sort != "space":
            tokens.append(_token(sort, word, place + 1, text[match.end() : match.end() + 1]))
        place = match.end()
        if sort in {"int", "double"} and text.startswith("[", place):
            tokens.append(_unit(text, place))
            place += len(tokens[-1].text) + 2
    tokens.append(Token(Sort.END, "", "", len(text) + 1))
    return tokens


def _unreadable(text: str, place: int) -> Invalid:
    letter = text[place]
    shown = letter if letter.isprintable() else f"U+{ord(letter):04X}"
    return refuse(
        place + 1,
        f"'{shown}' cannot be read here.",
        _WRITE_INSTEAD.get(letter, "Conditions are written with letters, digits and operators."),
    )


def _token(sort: str, word: str, column: int, following: str) -> Token:
    if sort in {"int", "hex"}:
        return _integer(sort, word, column, following)
    if sort == "duration":
        return Token(Sort.DURATION, word, _nanoseconds(word, column), column)
    if sort == "double":
        _refuse_glued(word, column, following)
        return Token(Sort.DOUBLE, word, float(word), column)
    if sort == "string":
        return Token(Sort.STRING, word, _unescape(word[1:-1], column), column)
    if sort == "name":
        if following in {"'", '"'} and following:
            raise refuse(
                column,
                f"the prefix {word} before a string is not known.",
                "Write a plain string; raw strings and bytes do not exist here.",
            )
        if word in RESERVED:
            raise refuse(
                column,
                f"{word!r} is a reserved word.",
                f"A telemetry key of that name is read as telemetry['{word}'].",
            )
        return Token(Sort.NAME, word, word, column)
    return Token(Sort.MARK, word, word, column)


def _integer(sort: str, word: str, column: int, following: str) -> Token:
    if following in {"u", "U"} and following:
        raise refuse(column, "unsigned numbers do not exist here.", f"Write {word}.")
    _refuse_glued(word, column, following)
    # 19 digits hold every int64; more would cost quadratic time to read.
    digits = word[2:] if sort == "hex" else word
    value = int(digits, 16 if sort == "hex" else 10) if len(digits) < 40 else INT_MAX + 2
    if value > INT_MAX + 1:  # 2**63 itself is allowed behind a minus sign
        raise refuse(
            column, "the number does not fit in 64 bits.", "Write it as a double: 1e19, for one."
        )
    return Token(Sort.INT, word, value, column)


def _unit(text: str, place: int) -> Token:
    """Read `[UCUM]` right behind a number; units may hold brackets themselves."""
    depth = 0
    for end in range(place, min(len(text), place + UNIT_MAX)):
        depth += {"[": 1, "]": -1}.get(text[end], 0)
        if not depth:
            inner = text[place + 1 : end]
            return Token(Sort.UNIT, inner, inner, place + 2)
    raise refuse(place + 1, "the unit behind the number has no end.", "Write 80[Cel].")


def _nanoseconds(word: str, column: int) -> int:
    try:
        return read_duration(word)
    except Invalid as error:
        raise refuse(column, error.detail, error.remedy) from error


def _refuse_glued(word: str, column: int, following: str) -> None:
    if following.isalnum() or following == "_":
        raise refuse(
            column + len(word),
            f"{following!r} stands right behind the number {word}.",
            "A unit stands in brackets, as in 80[Cel]; a duration is 5m, 1h30m, 90s or 200ms.",
        )


def _unescape(body: str, column: int) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] in "xuU" and len(code) > 1:
            point = int(code[1:], 16)
            if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF:
                return chr(point)
        elif code in _ESCAPES:
            return _ESCAPES[code]
        raise refuse(
            column + 1 + match.start(),
            "the escape in this string is not known.",
            "Known are \\n \\t \\r \\\\ \\' \\\" \\xHH and \\uHHHH.",
        )

    return _ESCAPE.sub(one, body)
