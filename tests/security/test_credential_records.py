"""What is kept of credentials."""

import msgspec

from weft.security.credential_records import CredentialKind, DeviceCredential


def test_a_record_of_before_pre_shared_keys_is_read() -> None:
    """A data folder of the version before starts as it is."""
    before = {
        "tenant": "main",
        "credential_id": "k",
        "kind": "secret",
        "device_id": "pump-7",
        "device_uid": "u",
        "created_at": 1,
        "digest": "d",
    }
    read = msgspec.convert(before, DeviceCredential)
    assert read.kind is CredentialKind.SECRET
    assert read.sealed == ""
