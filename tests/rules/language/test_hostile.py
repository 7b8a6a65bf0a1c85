"""RU-1: sixty expressions that want out or want time, refused on save, each with its message."""

import pytest

from weft.errors import Invalid
from weft.rules.language import Scope, compile_condition
from weft.rules.language.syntax import Type

SCOPE = Scope(
    telemetry={
        "t": Type.DOUBLE, "i": Type.INT, "s": Type.STRING, "b": Type.BOOL, "m": Type.MAP,
        "l": Type.LIST,
    }
)  # fmt: skip

DEEP = 200


def doubling(levels: int) -> str:
    """Join a text with itself, again and again: short to write, long to compute."""
    return f"({doubling(levels - 1)}+{doubling(levels - 1)})" if levels else "s"


HOSTILE: dict[str, tuple[str, str]] = {
    # out of the language, into Python
    "import": ("__import__('os').system('id')", "no function system"),
    "import-statement": ("import os", "reserved word"),
    "eval": ("eval('1') == 1", "no function eval"),
    "exec": ("exec('1')", "no function exec"),
    "open": ("open('/etc/passwd').size() > 0", "no function open"),
    "getattr": ("getattr(t, 'x')", "no function getattr"),
    "globals": ("globals()['x'] == 1", "no function globals"),
    "dunder-class": ("t.__class__ == 1", "a double has no members"),
    "dunder-of-text": ("s.__class__.__mro__ == 1", "a string has no members"),
    "dunder-call": ("s.__len__() > 0", "no function __len__"),
    "dunder-literal": ("''.__class__ == ''", "a string has no members"),
    "dunder-number": ("(1).__add__(2) > 1", "no function __add__"),
    "dunder-builtins": ("__builtins__ == 1", "no telemetry key"),
    "unset-leak": ("UNSET == t", "no telemetry key"),
    "namespace-leak": ("operation_0(t, t) > 1.0", "no function operation_0"),
    "slots-leak": ("slots[0] == t", "no telemetry key"),
    "format": ("s.format(t) == s", "no function format"),
    "format-spec": ("s % t == s", "% cannot take"),
    "join": ("s.join([s]) == s", "no function join"),
    "replace": ("s.replace('a', 'b') == s", "no function replace"),
    "lambda": ("lambda: 1", "stands where an operator"),
    "walrus": ("(t := 1) > 0", "cannot be read here"),
    "assign": ("t = 1.0", "cannot be read here"),
    "statement": ("t > 1.0; b", "cannot be read here"),
    "newline-statement": ("t > 1.0\nb", "an operator or the end is expected"),
    "decorator": ("@b", "cannot be read here"),
    "f-string": ("f'{t}' == s", "prefix f before a string"),
    "raw-string": ("r'a' == s", "prefix r before a string"),
    "bytes": ("b'a' == s", "prefix b before a string"),
    "comprehension": ("[i for i in l]", "reserved word"),
    "dict": ("{'a': 1} == m", "cannot be read here"),
    "message": ("google.protobuf.Any{} == m", "expected|no telemetry key|cannot be read"),
    "comment": ("t > 1.0 // b", "stands where a value is expected"),
    "hash-comment": ("t > 1.0 # b", "cannot be read here"),
    "backtick": ("`id` == s", "cannot be read here"),
    "shell": ("$(id) == s", "cannot be read here"),
    "nul": ("t > 1.0\x00", r"U\+0000"),
    "bidi": ("t > 1.0 \u202e", "U\\+202E"),
    "homoglyph": ("\u0442 > 1.0", "cannot be read here"),
    "full-width": ("t \uff1e 1.0", "cannot be read here"),
    "surrogate-escape": ("s == '\\ud800'", "escape in this string"),
    "unknown-escape": ("s == '\\N{DIGIT ONE}'", "escape in this string"),
    # macros and other loops
    "all": ("l.all(x, x > 1)", "all\\(\\) is not part"),
    "exists": ("l.exists(x, x > 1)", "exists\\(\\) is not part"),
    "exists-one": ("l.exists_one(x, x > 1)", "exists_one\\(\\) is not part"),
    "map": ("l.map(x, l.map(y, l.map(z, z))) == l", "map\\(\\) is not part"),
    "filter": ("size(l.filter(x, true)) > 0", "filter\\(\\) is not part"),
    "matches": ("s.matches('(a+)+$')", "matches\\(\\) is not part"),
    "matches-function": ("matches(s, '(a+)+$')", "matches\\(\\) is not part"),
    "while": ("while(true)", "reserved word"),
    # resources
    "too-long": ("t > 1.0 || " * 400 + "b", "at most 4096 are read"),
    "deep-parentheses": ("(" * DEEP + "b" + ")" * DEEP, "deeper than 32"),
    "deep-not": ("!" * DEEP + "b", "deeper than 32"),
    "deep-minus": ("-" * DEEP + "t > 1.0", "deeper than 32"),
    "deep-sum": ("+".join(["t"] * DEEP) + " > 1.0", "deeper than 32"),
    "deep-list": ("[" * DEEP + "]" * DEEP + " == l", "deeper than 32"),
    "deep-choice": ("b ? b : " * DEEP + "b", "deeper than 32"),
    "deep-index": ("m" + "['a']" * DEEP + " == 1", "deeper than 32"),
    "deep-member": ("m" + ".a" * DEEP + " == 1", "deeper than 32"),
    "deep-calls": ("abs(" * DEEP + "t" + ")" * DEEP + " > 1.0", "deeper than 32"),
    "many-items": ("i in [" + "1," * 300 + "1]", "more than 256 items"),
    "many-digits": ("i > " + "9" * 3000, "does not fit in 64 bits"),
    "over-int64": ("i > 9223372036854775808", "does not fit in 64 bits"),
    "text-doubling": (doubling(8) + " == s", "may cost"),
    "no-bool": ("t + 1.0", "must give bool"),
    "truthy-text": ("s && b", "takes bool"),
    "empty": ("", "the end stands where a value"),
}  # fmt: skip


def test_there_are_sixty_and_more() -> None:
    """The requirement names the number."""
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_ru_1_is_refused_with_its_reason(name: str) -> None:
    """Refused as `Invalid`, in words, with a remedy; never another exception."""
    text, message = HOSTILE[name]
    with pytest.raises(Invalid, match=message) as caught:
        compile_condition(text, SCOPE)
    assert caught.value.remedy
    assert len(caught.value.detail) < 500
