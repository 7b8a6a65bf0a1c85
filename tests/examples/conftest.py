"""One `weft` whose code has been read, for all examples of a worker."""

from tests.docs.warm import warm_weft

__all__ = ["warm_weft"]
