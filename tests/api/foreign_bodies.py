"""Bodies of media types that other people's fuzzer does not know.

Signing requests: good ones, ones that somebody has cut or changed a byte of, and noise. Lines:
readings one below the other, and lines of anything.
"""

import schemathesis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st


def _fresh(encoding: Encoding) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pump-8")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(encoding)


@st.composite
def _damaged(draw: st.DrawFn, encoding: Encoding) -> bytes:
    body = bytearray(_fresh(encoding))
    body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


for _media_type, _encodings in (
    ("application/pkcs10", (Encoding.DER, Encoding.PEM)),
    ("application/x-pem-file", (Encoding.PEM,)),
):
    schemathesis.openapi.media_type(
        _media_type,
        st.one_of(
            *(st.builds(_fresh, st.just(encoding)) for encoding in _encodings),
            *(_damaged(encoding) for encoding in _encodings),
            st.binary(max_size=2_000),
        ),
    )

_READING = b'{"ts": 1772366400000, "values": {"rpm": 1480}}'
_LINES = st.lists(st.one_of(st.just(_READING), st.binary(max_size=200)), max_size=20)
schemathesis.openapi.media_type("application/x-ndjson", _LINES.map(b"\n".join))
