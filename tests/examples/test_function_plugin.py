"""The example of a function for rules: installed into an environment of its own, and used."""

import json
import re
import subprocess
from pathlib import Path

from tests.docs.support import ROOT
from tests.examples.environments import environment_with

PLUGIN = ROOT / "examples" / "function_plugin"
USE = """
import asyncio, json, sys
from tests.rules.support import ALICE, MAIN, Plant, device, hot
from weft.errors import Invalid
from weft.rules.language.functions import installed_functions

async def use():
    plant = Plant(device(type_name=None))
    wet = "surface < dew_point(temperature, humidity)"
    rule = {"selector": {"devices": ["pump-7"]}, "message": "wet"}
    lazy = "weft_humidity" not in sys.modules
    names = installed_functions()
    await plant.rules.create(ALICE, hot(when=wet, **rule))
    try:
        await plant.rules.create(ALICE, hot(name="b", when="dew_point('a', 1) > 2", **rule))
    except Invalid as error:
        refused = error.detail
    for second, (surface, humidity) in enumerate([(12.0, 50.0), (9.0, 50.0), (9.0, 0.0)]):
        said = {"surface": surface, "temperature": 20.0, "humidity": humidity}
        await plant.hear(second, said, type_name="")
    health = plant.engine.health(MAIN, "overheating")
    [alarm] = await plant.raised()
    print(json.dumps({"lazy": lazy, "names": names, "refused": refused, "state": alarm.state,
                      "evidence": alarm.evidence[0].values, "error": health.last_failure}))

asyncio.run(use())
"""


def test_an_installed_package_brings_a_function(tmp_path: Path) -> None:
    """Air of 20 degrees and 50 % wets what is colder than 9.3; dry air has no such point."""
    python = environment_with(PLUGIN, tmp_path / "environment")
    done = subprocess.run(
        [python, "-c", USE],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["lazy"], said["names"]) == (True, ["dew_point"])
    assert said["refused"].startswith("when: Column 11: dew_point() takes double or int")
    assert said["state"] == "active"
    assert said["evidence"] == {"surface": 9.0, "temperature": 20.0, "humidity": 50.0}
    assert said["error"] == "dew_point() of weft-humidity failed (ValueError)"


def test_the_page_shows_the_package_that_is_there() -> None:
    """What a reader copies from the how-to page is what the test has run."""
    page = (ROOT / "docs/howto/write-a-rule-function.md").read_text("utf-8")
    module = (PLUGIN / "weft_humidity.py").read_text("utf-8")
    for line in (
        '[project.entry-points."weft.functions"]',
        'dew_point = "weft_humidity:DEW_POINT"',
    ):
        assert line in page
        assert line in (PLUGIN / "pyproject.toml").read_text("utf-8")
    [shown] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = [line for line in shown.splitlines() if line.strip()]
    assert [line for line in code if line not in module] == []
