"""Plug-ins: kinds that other packages bring; the example package is installed and used."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from weft.connectors import plugins
from weft.connectors.base import ConnectorSettings
from weft.connectors.plugins import find_plugin, installed_kinds
from weft.connectors.registry import KINDS, make_connectors
from weft.connectors.tryton import TrytonConnector
from weft.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
HERE = "tests.connectors.test_plugins"


class Good(TrytonConnector):
    kind = "good"
    settings = ConnectorSettings


class NoSettings(TrytonConnector):
    kind = "bare"


class Other(Good):
    kind = "other"


class Lacking:
    settings = ConnectorSettings
    kind = "lacking"


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "good": f"{__name__}:Good",
        "bare": f"{__name__}:NoSettings",
        "liar": f"{__name__}:Other",
        "lacking": f"{__name__}:Lacking",
        "broken": "weft_no_such_package:X",
        "tryton": f"{__name__}:Good",
    }
    found = [EntryPoint(name, value, plugins.GROUP) for name, value in names.items()]
    found.append(EntryPoint("twice", f"{__name__}:Good", plugins.GROUP))
    found.append(EntryPoint("twice", f"{__name__}:Other", plugins.GROUP))
    monkeypatch.setattr(plugins, "_entries", lambda: found)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Good.__module__])


@pytest.mark.usefixtures("brought")
def test_a_kind_of_another_package_is_found_by_name() -> None:
    """Only when somebody asks for it."""
    assert find_plugin("good") == (ConnectorSettings, Good)
    assert find_plugin("none") is None
    assert installed_kinds() == ["bare", "broken", "good", "lacking", "liar", "tryton", "twice"]


@pytest.mark.usefixtures("brought")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("bare", "lacks: settings"),
        ("liar", "says that it is 'other'"),
        ("lacking", "lacks: deliver"),
        ("broken", "cannot be imported"),
        ("twice", "Several packages"),
    ],
)
def test_what_does_not_fit_is_told_at_start(kind: str, words: str) -> None:
    """With the kind and what to do, not at the first alarm."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        find_plugin(kind)
    assert caught.value.remedy


@pytest.mark.usefixtures("brought")
def test_a_kind_of_ours_cannot_be_taken() -> None:
    """A package that calls itself `tryton` is not even imported."""
    assert KINDS["tryton"][1] is TrytonConnector
    unknown: dict[str, Any] = {"erp": {"kind": "none", "url": "https://x"}}
    with pytest.raises(ConfigurationError, match="no kind 'none'") as caught:
        make_connectors(unknown, outbound=None, credentials=None, clock=None)  # type: ignore[arg-type]
    assert "good" in caught.value.remedy
