"""How a simulated device behaves: it reports, obeys, answers, and tells."""

from msgspec.structs import replace

from weft.cli.simulation.behaviour import Behaviour
from weft.cli.simulation.generator import Model
from weft.model.device import Field, Output
from weft.registry.checking import require_output

PUMP = Model(
    telemetry={},
    properties={
        "firmware": Field("string", read_only=True),
        "setpoint": Field("number", minimum=0, maximum=3000),
    },
    commands={"start": {"setpoint": Field("number", required=True)}, "stop": {}},
    events={"overload": {"current": Field("number", unit="A", required=True)}},
)


def test_it_reports_all_its_properties_and_takes_over_what_is_desired() -> None:
    """What it may not set, does not know or cannot take stays as it is."""
    pump = Behaviour(PUMP, 1)
    assert pump.reported.keys() == {"firmware", "setpoint"}
    wanted = {"setpoint": 900, "firmware": "9", "colour": "red"}
    assert pump.follow(wanted) == {"setpoint": 900}
    assert pump.follow({"setpoint": 9000}) == {}
    assert pump.follow({"setpoint": None}) == {}
    assert pump.reported["setpoint"] == 900


def test_it_answers_what_its_type_declares_and_refuses_the_rest() -> None:
    """A command that names a property sets it."""
    pump = Behaviour(PUMP, 1)
    assert pump.answer("start", {"setpoint": 900}) == {
        "status": "succeeded",
        "output": {"setpoint": 900},
    }
    assert pump.answer("stop", {}) == {"status": "succeeded", "output": {}}
    for name, given in (("dance", {}), ("start", {}), ("start", None)):
        refused = pump.answer(name, given)
        assert refused["status"] == "rejected"
        assert refused["error"]


def test_events_come_about_as_often_as_asked_for_and_hold_what_is_declared() -> None:
    """Once in ten seconds on average, over ten thousand."""
    pump = Behaviour(PUMP, 1, event_every_s=10)
    told = [event for _ in range(10_000) if (event := pump.event(1.0))]
    assert 800 < len(told) < 1_200
    assert {name for name, _data in told} == {"overload"}
    assert all(data.keys() == {"current"} for _name, data in told)


def test_a_type_without_properties_and_commands_has_nothing_to_listen_for() -> None:
    """And one without events tells none."""
    probe = Behaviour(Model({"level": Field("number")}), 1, event_every_s=0.001)
    assert not probe.listens
    assert probe.event(1.0) is None
    assert Behaviour(PUMP, 1).listens


def test_it_gives_back_what_its_type_declares() -> None:
    """What the command set, as far as that is allowed; the rest is made up as declared."""
    fields = {"setpoint": Field("number", maximum=1000), "running": Field("boolean")}
    outputs = {"start": Output(fields), "stop": Output(value=Field("integer"))}
    pump = Behaviour(replace(PUMP, outputs=outputs), 1)
    for setpoint in (900, 2000):
        output = pump.answer("start", {"setpoint": setpoint})["output"]
        require_output(output, outputs["start"], of="start")
        assert (output["setpoint"] == setpoint) == (setpoint == 900)
    require_output(pump.answer("stop", {})["output"], outputs["stop"], of="stop")
