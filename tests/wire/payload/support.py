"""What the tests of payload formats share: vectors as data."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "vectors"


def load_vectors(name: str) -> Any:
    """Return a file of vectors."""
    return json.loads((VECTORS / name).read_text())
