"""The words of provisioning: each kind of answer shows what it is for, and nothing else."""

from pathlib import Path

import msgspec
import pytest
from tests.registry.batch import Batch

from weft.registry.provision_documents import ProvisionRequest, Wanted, view_of

SHOWN = {
    Wanted.SECRET: {"token"},
    Wanted.CERTIFICATE: {"certificate_pem", "private_key_pem", "ca_pem"},
    Wanted.PSK: {"psk_identity", "psk_key"},
}


@pytest.mark.parametrize("want", Wanted)
async def test_an_answer_holds_its_own_kind_alone(tmp_path: Path, want: Wanted) -> None:
    """A device finds what it asked for, and a log of the value finds nothing."""
    batch = Batch(tmp_path)
    await batch.claim()
    made = await batch.provision("1", want=want)
    shown = msgspec.structs.asdict(view_of(made))
    secrets = {
        name
        for name, value in shown.items()
        if value is not None and name not in {"device_id", "uid", "lifecycle"}
    }
    assert secrets == SHOWN[want]
    assert all(shown[name] not in repr(made) for name in secrets)


@pytest.mark.parametrize(
    "said", [b"{}", b'{"serial":""}', b'{"serial":"1","want":"key"}', b'{"serial":"1","psk":"00"}']
)
def test_what_a_device_may_not_say_is_refused(said: bytes) -> None:
    """A serial there must be; a key that it brings along is none of the words."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(said, type=ProvisionRequest)
