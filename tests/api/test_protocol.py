"""The protocol's limits are held over real sockets in test_server.py; here, what it is given."""

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from weft.api.protocol import WeftHttpProtocol


def test_uvicorn_is_the_one_that_the_subclass_was_written_for() -> None:
    """Its private hooks are overridden: another version has to be read first."""
    assert uvicorn.__version__ == "0.54.0"
    for name in ("on_message_begin", "on_headers_complete", "send_400_response", "data_received"):
        assert name in vars(HttpToolsProtocol)
        assert name in vars(WeftHttpProtocol)
