"""The server: settings, ports, and what it says of itself."""

import asyncio
import socket
from pathlib import Path

from tests.cli.platform import serving

from weft.api.operator import open_key
from weft.cli.checks.server import (
    addresses_of,
    check_configuration,
    check_ports,
    check_server,
)
from weft.config import load_config

BOTH = ("mqtt", "coap")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """With the suggestion that starting would give."""
    config, found = check_configuration(None, ["api.lisen=127.0.0.1:1"])
    assert config is None
    assert (found.state, "lisen" in found.found) == ("fail", True)
    config, found = check_configuration(None, ["api.listen=127.0.0.1:0"])
    assert config is not None
    assert found.state == "ok"
    assert dict(addresses_of(config))["HTTP"] == "127.0.0.1:0"


def test_a_port_is_free_taken_or_ours() -> None:
    """Taken is a fault, unless a server runs on this very folder."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = f"127.0.0.1:{listener.getsockname()[1]}"
        config = load_config(
            None,
            {},
            [
                f"api.listen={taken}",
                "transports.mqtt.listen=127.0.0.1:0",
                "transports.coap.listen=127.0.0.1:0",
            ],
        )
        other, ours = check_ports(config, served=False), check_ports(config, served=True)
        assert [finding.state.value for finding in other] == ["fail", "ok", "ok"]
        assert [finding.state.value for finding in ours] == ["ok", "ok", "ok"]
    wrong = ["api.listen=nowhere", *(f"transports.{one}.listen=192.0.2.1:9" for one in BOTH)]
    broken = load_config(None, {}, wrong)
    assert [finding.state.value for finding in check_ports(broken, served=False)] == ["fail"] * 3


def test_a_taken_port_of_coap_is_one_of_udp() -> None:
    """And the remedy asks for who has it there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        taken = f"transports.coap.listen=127.0.0.1:{holder.getsockname()[1]}"
        config = load_config(None, {}, ["api.listen=", "transports.mqtt.listen=", taken])
        (found,) = check_ports(config, served=False)
    assert found.state.value == "fail"
    assert "ss -lunp" in found.remedy


async def test_a_running_server_is_asked(tmp_path: Path) -> None:
    """Its health, and the audit of each tenant through its own API."""
    async with serving(tmp_path / "data"):
        found = await asyncio.to_thread(lambda: [*check_server(tmp_path / "data")])
    assert {finding.state.value for finding in found} == {"ok"}
    assert [finding.what for finding in found] == ["server", "audit of main"]


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """Stopped by a debugger, or gone with its lock held by a child."""
    open_key(tmp_path)
    (found,) = check_server(tmp_path)
    assert found.state == "fail"
    assert "nobody answers" in found.found
