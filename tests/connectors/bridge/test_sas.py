"""Shared access signatures, as Azure IoT Hub checks them."""

import base64
import hashlib
import hmac
from urllib.parse import unquote

import pytest

from weft.connectors.bridge.sas import sas_token
from weft.errors import ConnectorError

KEY = base64.b64encode(b"k" * 32).decode()


def test_a_token_proves_the_resource_and_its_end() -> None:
    """Checked as the hub does it: over the encoded resource, a line feed and the second."""
    token = sas_token("hub.azure-devices.net/devices/pump 7", KEY, 1_800_000_000)
    scheme, _, rest = token.partition(" ")
    fields = dict(one.split("=", 1) for one in rest.split("&"))
    assert (scheme, fields["se"]) == ("SharedAccessSignature", "1800000000")
    assert unquote(fields["sr"]) == "hub.azure-devices.net/devices/pump 7"
    signed = f"{fields['sr']}\n1800000000".encode()
    expected = hmac.digest(b"k" * 32, signed, hashlib.sha256)
    assert base64.b64decode(unquote(fields["sig"])) == expected


def test_a_key_that_is_no_base64_is_told() -> None:
    """The wrong field was copied."""
    with pytest.raises(ConnectorError, match="base64"):
        sas_token("hub/devices/x", "no base64!", 1)
