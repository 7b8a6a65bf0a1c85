"""Ports: what every backend and station agrees on. What it means is in tests/contracts."""

import inspect

import pytest

from weft import ports
from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.memory.history import MemoryHistory
from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.backends.sqlite.journal import SqliteJournal
from weft.backends.sqlite.records import SqliteRecords
from weft.model.ids import TenantId

PORTS = [
    (ports.Records, MemoryRecords),
    (ports.Records, SqliteRecords),
    (ports.Journal, MemoryJournal),
    (ports.Journal, SqliteJournal),
    (ports.HistoryStore, MemoryHistory),
    (ports.HistoryStore, DuckDbHistory),
]


@pytest.mark.parametrize(("port", "backend"), PORTS)
def test_a_backend_has_every_word_of_its_port(port: type, backend: type) -> None:
    """With the parameters that the port gives them, by name."""
    for name, promised in public_of(port).items():
        found = getattr(backend, name)
        if inspect.isfunction(promised):
            assert parameters_of(found)[: len(parameters_of(promised))] == parameters_of(promised)
            assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(promised)


@pytest.mark.parametrize("port", [ports.Records, ports.Journal, ports.HistoryStore])
def test_every_word_of_a_port_is_explained(port: type) -> None:
    """A backend's author reads this page, and no implementation."""
    for name, promised in public_of(port).items():
        assert inspect.getdoc(promised), name


async def test_a_kind_without_an_index_is_found_by_its_key() -> None:
    """The default of `Kind.index` gives nothing to look up by."""
    plain: ports.Kind[str] = ports.Kind("plain", str)
    assert plain.index("x") == {}
    records, tenant = MemoryRecords(), TenantId("main")
    record = await records.write(lambda writer: writer.insert(plain, tenant, "a", "x"))
    assert record == ports.Record("a", "x", 1)


def public_of(port: type) -> dict[str, object]:
    """Return what a port promises."""
    return {name: value for name, value in vars(port).items() if not name.startswith("_")}


def parameters_of(function: object) -> list[str]:
    """Return the names of a function's parameters."""
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]  # a function
