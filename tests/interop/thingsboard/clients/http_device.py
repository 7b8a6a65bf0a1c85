"""ThingsBoard's own HTTP client, unchanged: `http_device.py URL TOKEN`."""

import json
import sys
from typing import Any

from tb_device_http import TBHTTPDevice


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}), flush=True)


def main() -> None:
    url, token = sys.argv[1:]
    device = TBHTTPDevice(url, token, "pump-7")

    def called(call: dict[str, Any]) -> None:
        say("called", call=call)
        device.send_rpc("done", {"open": call["params"]["percent"]}, rpc_id=call["id"])

    say("connected", well=device.test_connection())
    device.send_telemetry({"temperature": 21.5}, queued=False)
    device.send_attributes({"firmware": "1.2"})
    say("attributes", found=device.request_attributes(["firmware"], ["interval"]))
    say("answered", to=device.send_rpc("leak", {"litres": 2.5}))
    device.subscribe("attributes", lambda found: say("changed", attributes=found))
    device.subscribe("rpc", called)
    sys.stdin.read()


if __name__ == "__main__":
    main()
