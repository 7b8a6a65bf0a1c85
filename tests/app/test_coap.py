"""CoAP's listeners, as the settings ask for them."""

from pathlib import Path

import pytest
from tests.app.support import settings

from weft.app import coap
from weft.app.compose import Weft
from weft.app.folder import DataFolder
from weft.errors import ConfigurationError


async def test_what_is_not_asked_for_does_not_listen(tmp_path: Path) -> None:
    """Neither in the clear nor over DTLS."""
    config = settings("transports.coap.listen=")
    async with Weft.open(config, DataFolder(tmp_path)) as weft, weft.running():
        assert (weft.endpoints.coap, weft.endpoints.coaps) == ("", "")


async def test_without_its_library_dtls_is_refused_and_the_rest_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy says what to install."""

    real = coap.importlib.import_module

    def missing(name: str) -> object:
        if name.startswith("weft.transports.dtls"):
            raise ImportError("No module named 'OpenSSL'")
        return real(name)

    monkeypatch.setattr(coap.importlib, "import_module", missing)
    async with Weft.open(settings(), DataFolder(tmp_path / "plain")) as weft, weft.running():
        assert weft.endpoints.coap
    config = settings("transports.coap.listen_dtls=127.0.0.1:0")
    with pytest.raises(ConfigurationError) as caught:
        async with Weft.open(config, DataFolder(tmp_path / "dtls")):
            raise AssertionError
    assert "pip install" in caught.value.remedy
