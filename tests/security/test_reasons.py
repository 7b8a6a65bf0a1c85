"""Every reason has a remedy, and none tells the peer's secret."""

import pytest
from msgspec.structs import replace
from tests.security.support import MAIN, device

from weft.errors import RateLimited
from weft.security import reasons
from weft.security.certificates import PresentedCertificate
from weft.security.credential_records import CredentialKind, DeviceCredential
from weft.security.reasons import Reason

DAY = 24 * 3600 * 10**9
PUMP = device()
KEY = DeviceCredential(
    MAIN, "f", CredentialKind.CERTIFICATE, PUMP.device_id, PUMP.uid, 0, revoked_at=9 * DAY
)
SHOWN = PresentedCertificate("f", "urn:weft:main:device:x", 10 * DAY, 20 * DAY)


def test_every_reason_says_what_to_do() -> None:
    """In a sentence: it is read by somebody whose device does not connect."""
    known = [value for value in vars(reasons).values() if isinstance(value, Reason)]
    assert len(known) > 8
    for reason in known:
        assert reason.text == reason.text.strip()
        assert not reason.text.endswith(".")  # it stands within a sentence
        assert reason.remedy.endswith(".")
    assert len({reason.text for reason in known}) == len(known)


def test_who_is_slowed_down_reads_for_how_long() -> None:
    """Otherwise it looks like a credential that is still wrong."""
    reason = reasons.too_many_failures(RateLimited("", retry_after_s=7.0))
    assert "7.0 s" in reason.text
    assert reason.remedy


def test_a_revoked_credential_says_since_when() -> None:
    """Whoever reads it asks who did that, and the audit is read by moment."""
    reason = reasons.revoked(KEY)
    assert reason.text == "the credential was revoked on 1970-01-10T00:00:00Z"
    assert "weft credential add DEVICE" in reason.remedy


@pytest.mark.parametrize(
    ("now", "known", "says", "remedy"),
    [
        (9, KEY, "not valid before 1970-01-11", "clock"),
        (20, KEY, "expired on 1970-01-21", "--kind certificate"),
        (15, replace(KEY, expires_at=15 * DAY), "expired on 1970-01-16", "--kind certificate"),
        (15, KEY, "URI", "issued for this key"),
        (15, replace(KEY, authority="a"), "authority", "weft authority list"),
    ],
)
def test_a_certificate_that_opens_nothing_says_which_of_its_faults_it_is(
    now: int, known: DeviceCredential, says: str, remedy: str
) -> None:
    """Each has another remedy: a clock, a renewal, another file, an authority."""
    reason = reasons.certificate_over(SHOWN, known, now * DAY)
    assert says in reason.text
    assert remedy in reason.remedy
    assert not reason.text.endswith(".")
    assert reason.remedy.endswith(".")
