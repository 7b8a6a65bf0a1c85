"""The language of conditions: a subset of CEL that cannot loop, reach out or run away.

What it has: int (64 bits), double, string, bool and null literals; `+ - * / %`,
comparisons, `&& || !`, `? :`, `in`, lists, `[]`; abs, min, max, size, startsWith,
endsWith, contains, has, int, double, string. What it speaks of: see `scope`. What an
absent value means: see `evaluate`.
"""

from weft.rules.language.condition import Condition, compile_condition
from weft.rules.language.scope import ANY, Scope, scope_of

__all__ = ["ANY", "Condition", "Scope", "compile_condition", "scope_of"]
