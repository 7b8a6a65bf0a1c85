"""Metrics of security: how often somebody proves who it is, fails to, and is cut."""

from prometheus_client import Counter

PROOFS = Counter(
    "weft_security_proofs",
    "Proofs of identity by method (secret, certificate, bearer) and outcome (accepted, refused)",
    ["method", "outcome"],
)
SIGN_INS = Counter(
    "weft_security_sign_ins",
    "Sign-ins of people by outcome (accepted, refused, throttled)",
    ["outcome"],
)
CUT = Counter(
    "weft_security_connections_cut",
    "Live connections that were cut because a right or a credential ended",
)
