"""CoAP's listeners, as the settings ask for them."""

from pathlib import Path

from tests.app.support import settings

from weft.app.compose import Weft
from weft.app.folder import DataFolder


async def test_what_is_not_asked_for_does_not_listen(tmp_path: Path) -> None:
    """Neither in the clear nor over DTLS."""
    config = settings("transports.coap.listen=")
    async with Weft.open(config, DataFolder(tmp_path)) as weft, weft.running():
        assert (weft.endpoints.coap, weft.endpoints.coaps) == ("", "")


async def test_both_listeners_are_announced_with_the_health_of_their_keys(tmp_path: Path) -> None:
    """Pre-shared keys are tried in memory before anybody is let in."""
    config = settings("transports.coap.listen_dtls=127.0.0.1:0")
    async with Weft.open(config, DataFolder(tmp_path)) as weft, weft.running():
        assert weft.endpoints.coap.startswith("127.0.0.1:")
        assert weft.endpoints.coaps.startswith("127.0.0.1:")
        assert weft.health()["pre-shared keys"] == "ok"
