"""Shared access signatures: what proves a device to Azure IoT Hub for an hour.

HMAC-SHA-256 with the device's key over the resource and the end of its validity (Azure IoT
Hub, "Control access with shared access signatures").
"""

import base64
import binascii
import hashlib
import hmac
from urllib.parse import quote, urlencode

from weft.errors import ConnectorError

LIFE_S = 3600


def sas_token(resource: str, key: str, expires_s: int) -> str:
    """Return a token for a resource (`hub.azure-devices.net/devices/ID`) until a Unix second."""
    try:
        secret = base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ConnectorError(
            "The shared access key is not base64.", remedy="Copy the device's primary key."
        ) from error
    named = quote(resource, safe="")
    digest = hmac.digest(secret, f"{named}\n{expires_s}".encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    fields = urlencode({"sig": signature, "se": expires_s}, quote_via=quote, safe="")
    return f"SharedAccessSignature sr={named}&{fields}"
