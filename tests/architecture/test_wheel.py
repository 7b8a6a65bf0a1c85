"""The wheel: what is installed is all that is needed, and nothing else."""

import subprocess
import sys
import zipfile

import pytest
from tests.architecture.support import ROOT, SOURCE

DASHBOARD = SOURCE / "web/app"  # its sources; what is built of them is in web/dist


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel as a release does, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_file_of_the_package(names: set[str]) -> None:
    """Modules, SQL, word lists, the built dashboard and the mark that says it is typed."""
    wanted = {
        str(path.relative_to(SOURCE.parent))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and DASHBOARD not in path.parents
    }
    assert not wanted - names
    assert not {name for name in names if name.startswith("weft/web/app/")}
    assert {"weft/py.typed", "weft/backends/sqlite/records.sql"} <= names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    """No test, no benchmark, no bytecode: the package and its own description."""
    other = {name for name in names if not name.startswith("weft/") and ".dist-info/" not in name}
    assert not other
    assert not {name for name in names if "__pycache__" in name or name.endswith(".pyc")}


def test_the_licence_travels_with_it(names: set[str]) -> None:
    """Apache-2.0, in every install."""
    assert any(name.endswith("licenses/LICENSE") for name in names)
