"""One fault, one alarm, one work order: a real bearing's last hours and a real ERP."""

from pathlib import Path

import pytest
from tests.flows.bearing import RECORD, Story
from tests.interop.tryton.support import tryton


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not RECORD.exists(), reason=f"the record is not there: {RECORD.name}")
async def test_a_worn_bearing_becomes_one_work_order_and_is_closed_with_it(tmp_path: Path) -> None:
    """2,803 rows of vibration until it fails, a technician at Tryton, and a new bearing.

    As fast as they are acknowledged; `scripts/soak bearing` takes its time (100 times life).
    """
    erp_folder = tmp_path / "erp"
    erp_folder.mkdir()
    async with tryton(erp_folder) as erp:
        await Story(tmp_path / "data", erp, speed=None).tell()
