"""Stories: what a pack says of a device, at the pace of life or told once."""

from weft.cli.simulation.faults import Fault
from weft.cli.simulation.story import StoryMachine
from weft.model.device import Field
from weft.packs.simulation import SimulatedDevice

FIELDS = {"level": Field("number", minimum=0, maximum=10), "heat": Field("number", maximum=90)}
DEVICE = SimulatedDevice("tank-1", "tank", values={"level": ((0.0, 0.0), (10.0, 10.0))})


def machine(speed: float, device: SimulatedDevice = DEVICE) -> StoryMachine:
    ends_at = 1_000_000_000_000
    return StoryMachine(FIELDS, device, lasts_s=10, speed=speed, ends_at=ends_at)


def test_at_the_pace_of_life_it_begins_again_and_the_rest_wanders() -> None:
    """The message has no moment of its own: it is now."""
    tank = machine(1)
    seen = [tank.step(4) for _ in range(4)]
    assert [values and values["level"] for values in seen] == [0.0, 4.0, 8.0, 2.0]
    assert all(values and values["heat"] <= 90 for values in seen)
    assert not tank.over


def test_faster_than_life_it_is_told_once_and_ends_when_the_run_began() -> None:
    """A window of minutes sees minutes, though it takes a second."""
    tank = machine(50)
    seen = []
    while not tank.over:
        seen.append(tank.step(0.1))
    assert [one and (one["ts"], one["values"]["level"]) for one in seen] == [
        (990_000, 0.0),
        (995_000, 5.0),
        (1_000_000, 10.0),
    ]
    assert tank.step(0.1) is None


def test_it_is_silent_where_its_story_is_and_a_fault_ends_the_story() -> None:
    """Whoever breaks it with a fault of its own sees the fault."""
    quiet = machine(1, SimulatedDevice("t", "tank", values=DEVICE.values, silent=((0.0, 5.0),)))
    assert quiet.step(4) is None
    assert quiet.step(4) is None
    assert quiet.step(1) is not None
    quiet.break_with(Fault.SILENCE)
    assert quiet.step(1) is None
