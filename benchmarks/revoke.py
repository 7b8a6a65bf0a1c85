"""How soon a revoked device is gone: from the API call to the socket closed at the client.

N devices are connected over TLS and idle; the credentials of some are revoked one after
another over REST with a service key, each with its commit. The client's process watches
all sockets. To reach: p99 of 50 ms with 10,000 connections.

    python -m benchmarks.revoke [--connections 1000] [--revoke 200] [--version 1.2|1.3|none]
"""

import argparse
import http.client
import ssl
import time

from benchmarks.support import free_port, report, temporary_folder, weft_process
from benchmarks.tls_fleet import Fleet, held, make_tls_fleet

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3, "none": None}
PAUSE_S = 0.012  # below the rate of requests that a key has
SETTLE_S = 2.0


def revoke(port: int, fleet: Fleet, count: int) -> dict[str, tuple[float, float]]:
    """Revoke devices spread over the fleet; return when each call began and was answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {fleet.key}"}
    calls = {}
    for name, _, credential in fleet.devices[:: max(1, len(fleet.devices) // count)][:count]:
        began = time.monotonic()
        path = f"/api/v1/devices/{name}/credentials/{credential}"
        connection.request("DELETE", path, headers=headers)
        response = connection.getresponse()
        response.read()
        if response.status != 204:
            raise RuntimeError(f"{name} was not revoked: {response.status}")
        calls[name] = (began, time.monotonic())
        time.sleep(PAUSE_S)
    return calls


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in ms."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--revoke", type=int, default=200)
    parser.add_argument("--version", choices=VERSIONS, default="1.3")
    given = parser.parse_args()
    version = VERSIONS[given.version]
    with temporary_folder() as folder:
        data = folder / "data"
        fleet = make_tls_fleet(data, given.connections)
        tls_port = free_port()
        setting = f"transports.mqtt.listen_tls=127.0.0.1:{tls_port}"
        with weft_process(data, setting) as (_, plain_port, http_port):
            port = plain_port if version is None else tls_port
            with held(port, data, version, fleet.devices) as clients:
                time.sleep(SETTLE_S)
                calls = revoke(http_port, fleet, given.revoke)
                time.sleep(SETTLE_S)
                closed = clients.closed()
    from_call = [closed[name] - began for name, (began, _) in calls.items()]
    from_answer = [closed[name] - answered for name, (_, answered) in calls.items()]
    call = [answered - began for began, answered in calls.values()]
    others = len(set(closed) - set(calls))
    report(
        f"revoke {len(calls)} of {given.connections}, TLS {given.version}",
        [
            (name, f"p50 {percentile(v, 0.5):.1f} ms   p99 {percentile(v, 0.99):.1f} ms")
            for name, v in (
                ("call to socket closed", from_call),
                ("answer to socket closed", from_answer),
                ("call to answer", call),
            )
        ]
        + [("others closed", str(others))],
        connections=given.connections,
        revoked=len(calls),
        p50_ms=round(percentile(from_call, 0.5), 2),
        p99_ms=round(percentile(from_call, 0.99), 2),
        after_answer_p99_ms=round(percentile(from_answer, 0.99), 2),
        others_closed=others,
    )


if __name__ == "__main__":
    main()
