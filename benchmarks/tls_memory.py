"""What an idle TLS connection costs: resident memory of the server beside N connected devices.

The clients are another process, so only the server's memory counts. Each device has proven
itself by CONNECT and then says nothing. To reach: 50 KB each, 10,000 in 600 MB.

    python -m benchmarks.tls_memory [--connections 1000] [--version 1.2|1.3|none]

`none` connects in the clear: the difference is what TLS itself takes.
"""

import argparse
import ssl
import time

from benchmarks.support import free_port, report, rss_mb, temporary_folder, weft_process
from benchmarks.tls_fleet import held, make_tls_fleet

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3, "none": None}
WARM_UP = 20  # connections that load what every server has once
SETTLE_S = 3.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--version", choices=VERSIONS, default="1.3")
    given = parser.parse_args()
    version = VERSIONS[given.version]
    with temporary_folder() as folder:
        data = folder / "data"
        fleet = make_tls_fleet(data, given.connections + WARM_UP)
        tls_port = free_port()
        setting = f"transports.mqtt.listen_tls=127.0.0.1:{tls_port}"
        with weft_process(data, setting) as (server, plain_port, _):
            port = plain_port if version is None else tls_port
            with held(port, data, version, fleet.devices[:WARM_UP]):
                time.sleep(SETTLE_S)
                before = rss_mb(server.pid)
                with held(port, data, version, fleet.devices[WARM_UP:]) as clients:
                    time.sleep(SETTLE_S)
                    after = rss_mb(server.pid)
    each_kb = (after - before) * 1000 / given.connections
    report(
        f"idle connections, TLS {given.version}",
        [
            ("connections", f"{given.connections}"),
            ("connected in", f"{clients.connect_s:.1f} s"),
            ("server before", f"{before:.0f} MB"),
            ("server after", f"{after:.0f} MB"),
            ("each", f"{each_kb:.1f} KB"),
        ],
        connections=given.connections,
        version=given.version,
        before_mb=round(before, 1),
        after_mb=round(after, 1),
        each_kb=round(each_kb, 2),
        connect_s=round(clients.connect_s, 2),
    )


if __name__ == "__main__":
    main()
