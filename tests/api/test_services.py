"""Services are named, not loaded: reading the table costs none of them."""

import subprocess
import sys


def test_the_table_loads_no_server_and_no_driver() -> None:
    """The command line reads it at each run."""
    code = (
        "import sys, weft.api.operations.table\n"
        "heavy = {'uvicorn', 'duckdb', 'sqlite3', 'weft.api.live', 'weft.api.application'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
