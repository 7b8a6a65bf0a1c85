"""What is pasted runs as it is: no name, however odd, breaks out of its quotes."""

import ast
import shlex

from weft.api.snippets import (
    Endpoints,
    certificate_snippets,
    preshared_snippets,
    secret_snippets,
)

PLAIN = Endpoints(http="http://127.0.0.1:8080", mqtt="127.0.0.1:1883")
TLS = Endpoints(https="https://weft:8443", mqtts="weft:8883")


def test_snippets_parse_and_hold_the_credential() -> None:
    """Python as Python, the others as one shell command."""
    for endpoints in (PLAIN, TLS):
        made = secret_snippets("pump~7", "weft_token", endpoints)
        ast.parse(made.python)
        assert "weft_token" in made.python
        assert shlex.split(made.mosquitto)[0] == "mosquitto_pub"
        assert "Authorization: Bearer weft_token" in shlex.split(made.curl)


def test_javascript_holds_any_name_as_a_literal() -> None:
    """And one that needs no authority of its own says how it is run without."""
    odd = secret_snippets("p", "a\"'\\\n\u2028", PLAIN).javascript
    assert '"Bearer a\\"\'\\\\\\n\\u2028"' in odd
    assert odd.startswith("// Save it as device.mjs, and run: node device.mjs\n")
    assert "NODE_EXTRA_CA_CERTS=ca.pem" in secret_snippets("p", "t", TLS).javascript
    made = certificate_snippets("p", TLS).javascript
    assert 'request("https://weft:8443/api/v1/devices/me/telemetry"' in made
    assert "cert: readFileSync('device.pem')" in made


def test_tls_names_the_authority() -> None:
    """And plain loopback does not."""
    assert "--cafile" in secret_snippets("p", "t", TLS).mosquitto
    assert "--cafile" not in secret_snippets("p", "t", PLAIN).mosquitto
    made = certificate_snippets("p", TLS)
    ast.parse(made.python)
    assert "--cert device.pem" in made.curl


def test_coap_is_shown_where_it_listens() -> None:
    """A token in the clear on loopback only; a key and a certificate over DTLS."""
    assert secret_snippets("p", "t", PLAIN).coap == ""
    listening = Endpoints(coap="127.0.0.1:5683", coaps="weft:5684")
    token = shlex.split(secret_snippets("p", "a&b", listening).coap)
    assert token[0] == "coap-client-notls"
    assert token[-1] == "coap://127.0.0.1:5683/api/v1/devices/me/telemetry?token=a%26b"
    key = shlex.split(preshared_snippets("name", "-k$(x)", listening).coap)
    assert key[key.index("-k") + 1] == "-k$(x)"
    assert key[-1].startswith("coaps://weft:5684/")
    assert "-c device.pem" in certificate_snippets("p", listening).coap
