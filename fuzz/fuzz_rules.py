"""Mutated conditions against the language: `python fuzz/fuzz_rules.py --inputs 1000000`.

Only `Invalid` comes out of the parser and checker. A condition that is accepted is
compiled both ways and evaluated on values and on nothing: the two agree, nothing raises.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.harness import main
from msgspec import UNSET

from weft.errors import Invalid
from weft.model.ids import RuleId, TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.rules.conditions import compile_rule
from weft.rules.language import ANY, Scope
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.syntax import Type
from weft.rules.model import Rule, RuleDocument
from weft.rules.program import CLEAR, ERROR, TRUE, Program

TYPED = Scope(
    telemetry={
        "t": Type.DOUBLE, "i": Type.INT, "s": Type.STRING, "b": Type.BOOL, "m": Type.MAP,
        "l": Type.LIST,
    },
    reported={"limit": Type.DOUBLE},
)  # fmt: skip
SEEDS = [
    "t > 80 && i in [1, 2, 3] || !b",
    "twin.reported.limit < abs(t) ? s.startsWith('a') : has(m.k) && m.k == 1.5",
    "min(i, 3) % 2 == 0 && string(i) + 'x' != s || double(s) > 1e3",
    "device.attributes['room'] == \"hall\\u0031\" && telemetry['t'] >= -0x1F",
    "size(l) > 0 && l[0] == null && int(t) / i > -9223372036854775808",
    "((t + 1.5) * 2 - -3.0) / 4.0 <= max(t, 1.0) && (b == true) && s.contains('b')",
    "l.map(x, x) == [] || s.matches('(a+)+$') || t = 5u",
]
ROWS = [
    {"t": 81.5, "i": 7, "s": "abc", "b": True, "m": {"k": 1.5}, "l": [1, "a", None]},
    {"t": -0.0, "i": -(2**63), "s": "", "b": False, "m": {}, "l": []},
    {},
]


def rule_of(text: str) -> Rule:
    """Make a rule around a condition."""
    tenant = TenantId("main")
    owner = Principal(tenant, PrincipalKind.USER, "fuzz", "fuzz")
    document = RuleDocument(name="r", when=text)
    return Rule(RuleId("r"), "u", tenant, 1, owner, document, {}, 0, 0, enabled=True)


def eat(data: bytes) -> int:
    """Read a condition; where it is accepted, both compilers give one answer."""
    text = data.decode("utf-8", "replace")
    for scope in (TYPED, ANY):
        try:
            compiled = compile_rule(rule_of(text), scope)
        except Invalid:
            continue
        program = Program([compiled])
        closure = evaluator(compiled.when.tree, program.slots)
        for values in ROWS:
            slots = [UNSET] * len(program.paths)
            bits = program.function(dict)(values, slots)
            assert 0 <= bits <= TRUE | CLEAR | ERROR
            try:
                answer = closure(slots)
            except FAILURES:
                answer = None
            expected = TRUE if answer is True else CLEAR if answer is False else 0
            assert bits & (TRUE | CLEAR) == expected, (text, values, bits, answer)
    return len(data)


if __name__ == "__main__":
    sys.exit(main("rules", eat, [seed.encode() for seed in SEEDS], held_bytes=64 * 1024))
