"""The table holds every operation of every module, once."""

import importlib
import pkgutil

from weft.api import operations
from weft.api.operations.table import TABLE


def test_no_module_is_forgotten() -> None:
    """An operation that is written and not listed would never be routed."""
    written = [
        operation
        for module in pkgutil.iter_modules(operations.__path__)
        if module.name != "table"
        for operation in importlib.import_module(f"weft.api.operations.{module.name}").OPERATIONS
    ]
    assert sorted(op.name for op in written) == sorted(op.name for op in TABLE)
