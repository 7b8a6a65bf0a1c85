"""RU-1: expressions that want out, or want time or room, refused on save, each with its message.

`tests/vectors/rules/hostile.json` holds them: a name, the text, and a pattern of what is told.
"""

import json
from pathlib import Path

import pytest

from weft.errors import Invalid
from weft.rules.language import Scope, compile_condition
from weft.rules.language.syntax import Type

SCOPE = Scope(
    telemetry={
        "t": Type.DOUBLE, "i": Type.INT, "s": Type.STRING, "b": Type.BOOL, "m": Type.MAP,
        "l": Type.LIST,
    },
    units={"t": "Cel"},
)  # fmt: skip

VECTORS = Path(__file__).parents[2] / "vectors" / "rules" / "hostile.json"
HOSTILE = {row["name"]: row for row in json.loads(VECTORS.read_text("utf-8"))}


def test_there_are_sixty_and_more() -> None:
    """The requirement names the number."""
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_ru_1_is_refused_with_its_reason(name: str) -> None:
    """Refused as `Invalid`, in words, with a remedy; never another exception."""
    row = HOSTILE[name]
    with pytest.raises(Invalid, match=row["refused"]) as caught:
        compile_condition(row["text"], SCOPE)
    assert caught.value.remedy
    assert len(caught.value.detail) < 500
