"""EST: enrolment over secure transport, for clients that other people wrote (RFC 7030).

Four paths beside the API's own, and the same door: HTTP Basic with the device's id and its
enrolment token (or one of its secrets) for the first certificate, the certificate itself
for the next. Only the key of a signing request is read. Everything that fails is said with
a status of RFC 7030 and a problem that says what to do.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from weft.api.application import Request, log_fault, nobody_at
from weft.api.bodies import ClientGone, read_body
from weft.api.idempotency import Answer
from weft.api.operation import Receive
from weft.api.problems import Malformed, MethodNotAllowed
from weft.api.responses import Send, problem_answer, send_answer
from weft.api.services import Services
from weft.api.settings import ApiSettings
from weft.errors import Invalid, NotFound, RateLimited, Unauthenticated
from weft.model.device import Device
from weft.model.principal import Principal
from weft.security.audit import ORIGIN, Origin
from weft.security.authentication import REFUSED, REMEDY, Proof
from weft.security.certificates import CSR_MAX_BYTES
from weft.security.credential_records import IssuedIdentity
from weft.security.enrolment import DevicePending
from weft.security.limits import LimitKind
from weft.security.policy import require

PREFIX: Final = b"/.well-known/est/"
RETRY_S: Final = 60  # a pending device asks again after this [RFC 7030 4.2.3]
CHALLENGE: Final = (b"www-authenticate", b'Basic realm="weft", charset="UTF-8"')
CERTIFICATES: Final = b"application/pkcs7-mime; smime-type=certs-only"
ATTRIBUTES: Final = b"application/csrattrs"

# CsrAttrs [RFC 7030 4.5.2]: ecdsa-with-SHA256, and an EC key on P-256.
CSR_ATTRIBUTES: Final = bytes.fromhex(
    "302106082a8648ce3d040302301506072a8648ce3d0201310a06082a8648ce3d030107"
)

Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Handler = Callable[["Est", Request], Awaitable[Answer]]


class Est:
    """The paths of EST, in front of the application that answers everything else."""

    def __init__(self, services: Services, application: Application, settings: ApiSettings) -> None:
        self._services = services
        self._application = application
        self._settings = settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request of EST, or let the application answer (ASGI 3)."""
        if scope["type"] != "http" or not scope["raw_path"].startswith(PREFIX):
            await self._application(scope, receive, send)
            return
        request = Request(scope, receive)
        ORIGIN.set(Origin(request.presented.address, request.request_id))
        try:
            answer = await self._answer(request, scope["raw_path"])
        except ClientGone:
            return
        except DevicePending as error:
            answer = _pending(error, request.request_id)
        except Exception as error:  # noqa: BLE001  the boundary: rendered, and logged where it is ours
            answer = _refusal(error, request.request_id)
            log_fault(request, error, answer.status)
        await send_answer(send, answer, request.head)

    async def _answer(self, request: Request, raw_path: bytes) -> Answer:
        wait = self._take(nobody_at(request.presented.address).principal)
        if wait > 0:
            raise RateLimited("Too many requests.", retry_after_s=wait)
        found = OPERATIONS.get(raw_path[len(PREFIX) :])
        if found is None:
            raise NotFound(
                "EST has nothing at this path.",
                remedy="There are cacerts, csrattrs, simpleenroll and simplereenroll.",
            )
        method, handler = found
        if request.method != method:
            raise MethodNotAllowed(f"{request.method} does not work here.", allowed=method)
        return await handler(self, request)

    def _take(self, principal: Principal) -> float:
        return self._services.limiter.take(principal.tenant, principal, LimitKind.REQUESTS)

    # --- operations ---

    async def cacerts(self, _request: Request) -> Answer:
        """The root and the intermediate: what a device trusts, and what it sends along."""
        authority = self._services.authority
        return _certificates(authority.root_pem + authority.chain_pem)

    async def csrattrs(self, _request: Request) -> Answer:
        """What a signing request should have: an EC key on P-256."""
        return _answer(CSR_ATTRIBUTES, ATTRIBUTES)

    async def simpleenroll(self, request: Request) -> Answer:
        """A device's first certificate [RFC 7030 4.2.1]."""
        name, password = _basic(request.headers.get(b"authorization"))
        services = self._services
        if services.enrolments.is_token(password):
            address = request.presented.address
            token = services.enrolments.prove(
                password, address, services.authenticator, device_id=name
            )
            device = services.devices.find(token.tenant, token.device_id)
            csr = await self._csr(request)
            return _issued(await services.enrolments.enrol(token, device, csr))
        proof = services.authenticator.prove_secret(name, password, request.presented.address)
        device = self._device_of(proof)
        csr = await self._csr(request)
        issued = await services.credentials.issue_certificate(
            proof.principal, device, request_pem=csr, label="enrolled"
        )
        return _issued(issued)

    async def simplereenroll(self, request: Request) -> Answer:
        """A device's next certificate, asked for with the one before [RFC 7030 4.2.2]."""
        presented = request.presented
        if presented.certificate is None:
            raise Unauthenticated("No client certificate came with the request.")
        services = self._services
        proof = services.authenticator.prove_certificate(presented.certificate, presented.address)
        device = self._device_of(proof)
        csr = await self._csr(request)
        return _issued(
            await services.rotation.renew(proof.principal, device, proof.credential_id, csr)
        )

    def _device_of(self, proof: Proof) -> Device:
        """Return the device that has proven itself, if it is one and may renew."""
        principal, services = proof.principal, self._services
        wait = self._take(principal)
        if wait > 0:
            raise RateLimited("Too many requests.", retry_after_s=wait)
        device = services.devices.find(principal.tenant, principal.id)
        if device is None or device.uid != principal.uid:
            raise Unauthenticated(REFUSED, remedy=REMEDY)
        if device.waits:  # it may do nothing yet, and is to ask again [RFC 7030 4.2.3]
            raise DevicePending(device.device_id)
        require(services.policy, principal, "device.renew", f"device:{principal.id}")
        return device

    async def _csr(self, request: Request) -> bytes:
        """Return the signing request: base64 of DER [RFC 8951 3.2.2]; DER and PEM do as well."""
        limit = min(self._settings.max_body_bytes, 2 * CSR_MAX_BYTES)
        raw = await read_body(
            request.receive,
            request.headers.get(b"content-length"),
            limit,
            self._settings.body_timeout_s,
        )
        if b"-----BEGIN" in raw or not raw.isascii():
            return raw
        try:
            return base64.b64decode(b"".join(raw.split()), validate=True)
        except binascii.Error as error:
            raise Malformed(
                "The signing request is not base64.",
                remedy="Send base64 of DER: openssl req -in device.csr -outform DER | base64",
            ) from error


OPERATIONS: Final[dict[bytes, tuple[str, Handler]]] = {
    b"cacerts": ("GET", Est.cacerts),
    b"csrattrs": ("GET", Est.csrattrs),
    b"simpleenroll": ("POST", Est.simpleenroll),
    b"simplereenroll": ("POST", Est.simplereenroll),
}


def _basic(header: bytes | None) -> tuple[str, str]:
    """Return name and password of HTTP Basic (RFC 7617), or raise `Unauthenticated`."""
    if header is None or header[:6].lower() != b"basic ":
        raise Unauthenticated("No credential came with the request.")
    try:
        name, _, password = base64.b64decode(header[6:].strip(), validate=True).partition(b":")
        return name.decode(), password.decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated("The Authorization header cannot be read.") from error


def _issued(issued: IssuedIdentity) -> Answer:
    """Answer with the certificate alone [RFC 7030 4.2.3]; the others are in cacerts."""
    return _certificates(issued.certificate.certificate_pem)


def _certificates(pem: str) -> Answer:
    certificates = x509.load_pem_x509_certificates(pem.encode())
    content = pkcs7.serialize_certificates(certificates, serialization.Encoding.DER)
    return _answer(content, CERTIFICATES)


def _answer(content: bytes, media_type: bytes) -> Answer:
    headers = ((b"content-type", media_type), (b"content-transfer-encoding", b"base64"))
    return Answer(200, headers, base64.encodebytes(content))


def _pending(error: DevicePending, request_id: str) -> Answer:
    problem = problem_answer(error, request_id)
    headers = (*problem.headers, (b"retry-after", str(RETRY_S).encode()))
    return Answer(202, headers, problem.content)


def _refusal(error: Exception, request_id: str) -> Answer:
    """Answer as the API does, but for what RFC 7030 wants otherwise."""
    answer = problem_answer(error, request_id)
    if answer.status == 401:
        headers = [one for one in answer.headers if one[0] != CHALLENGE[0]]
        return Answer(401, (*headers, CHALLENGE), answer.content)
    if isinstance(error, Invalid):  # [RFC 7030 4.2.3] a bad request is a 400
        error = Malformed(error.detail, remedy=error.remedy)
        return problem_answer(error, request_id)
    return answer
