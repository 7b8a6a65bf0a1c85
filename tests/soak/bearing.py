"""The bearing's story at a steady speed: about five minutes at 100 times life.

scripts/soak bearing [--speed 100]
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.flows.bearing import RECORD, Story
from tests.interop.tryton.support import tryton


async def run(speed: float) -> str:
    """Tell it with a real Tryton; return what happened."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "erp").mkdir()
        async with tryton(folder / "erp") as erp:
            return await Story(folder / "data", erp, speed).tell()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak bearing", description=__doc__)
    parser.add_argument("--speed", type=float, default=100.0)
    options = parser.parse_args()
    if not RECORD.exists():
        print(f"the record is not there: {RECORD}", file=sys.stderr)
        return 2
    print(asyncio.run(run(options.speed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
