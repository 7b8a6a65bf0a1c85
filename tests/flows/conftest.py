"""What the stories of one worker share: one process that has read Weft's code."""

from collections.abc import Iterator

import pytest
from tests.soak.warm import Warm


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A start of a server without reading its code again: three seconds of a busy machine."""
    made = Warm()
    yield made
    made.close()
