"""How a simulated device behaves beside measuring: it reports, obeys, answers, and tells.

It knows its type and nothing else. What is desired it takes over and reports; a command that
its type declares succeeds, and what it names of the device's properties is set; events come
by chance. The same seed gives the same values.
"""

import random
from typing import Any, Final

from weft.cli.simulation.generator import Model, sample_all, sample_output
from weft.errors import Invalid
from weft.model.device import Field
from weft.registry.checking import require_value

EVENT_EVERY_S: Final = 60.0


class Behaviour:
    """One device's side of properties, commands and events."""

    def __init__(self, model: Model, seed: int, *, event_every_s: float = EVENT_EVERY_S) -> None:
        self._model = model
        self._chance = random.Random(seed)  # noqa: S311  repeatable, guards nothing
        self._event_every_s = event_every_s
        self.reported = sample_all(model.properties, self._chance)

    @property
    def listens(self) -> bool:
        """Whether anything can be asked of it."""
        return bool(self._model.properties or self._model.commands)

    def follow(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Take over what is wanted of its properties; return what it reports of it."""
        taken = {name: value for name, value in wanted.items() if self._may_be(name, value)}
        self.reported |= taken
        return taken

    def _may_be(self, name: str, value: Any) -> bool:
        """Whether a property may be set to a value; a command may name what is none."""
        declared = self._model.properties.get(name)
        if declared is None or declared.read_only:
            return False
        return _is_allowed(value, declared, name)

    def answer(self, name: str, given: Any) -> dict[str, Any]:
        """Carry out a command and return its result."""
        declared = self._model.commands.get(name)
        if declared is None:
            return {"status": "rejected", "error": f"There is no command {name}."}
        if not isinstance(given, dict):
            return {"status": "rejected", "error": "The input is no object."}
        missing = [key for key, field in declared.items() if field.required and key not in given]
        if missing:
            return {"status": "rejected", "error": f"{', '.join(missing)} is missing."}
        return {"status": "succeeded", "output": self._output(name, self.follow(given))}

    def _output(self, name: str, taken: dict[str, Any]) -> Any:
        """Return what a command gives back: as its type declares, else what it has set."""
        output = self._model.outputs.get(name)
        if output is None:
            return taken
        made = sample_output(output, self._chance)
        for key in taken.keys() & output.fields.keys():
            if _is_allowed(taken[key], output.fields[key], key):
                made[key] = taken[key]
        return made

    def event(self, seconds: float) -> tuple[str, dict[str, Any]] | None:
        """Return an event that happened while time passed, by chance, or None."""
        if not self._model.events or self._chance.random() * self._event_every_s >= seconds:
            return None
        name = self._chance.choice(sorted(self._model.events))
        return name, sample_all(self._model.events[name], self._chance)


def _is_allowed(value: Any, declared: Field, name: str) -> bool:
    try:
        require_value(value, declared, name)
    except Invalid:
        return False
    return True
