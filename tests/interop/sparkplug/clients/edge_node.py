"""pysparkplug's edge node, unchanged, with one device: `edge_node.py HOST PORT USER TOKEN HOSTID`.

It is born, sends its data and answers a write as a device does: by reporting the new value.
What the library leaves to its application is here: a rebirth is a new connection. Each thing
that it hears is a line of JSON on stdout; one word on stdin tells it what to do next.
"""

import json
import queue
import sys
import threading
from typing import Any

import pysparkplug as sparkplug
from pysparkplug import DataType, Device, EdgeNode, Message, MessageType, Metric, QoS, Topic

GROUP, EDGE, MOTOR = "plant", "edge-1", "motor"
REBIRTH = "Node Control/Rebirth"


def say(what: str, **details: Any) -> None:
    print(json.dumps({"what": what, **details}), flush=True)


def metric(name: str, datatype: DataType, value: Any) -> Metric:
    now = sparkplug.get_current_timestamp()
    return Metric(timestamp=now, name=name, datatype=datatype, value=value)


class Plant:
    """The edge node, and what is to be done on the main thread, outside the library's own."""

    def __init__(self, host: str, port: int, client: sparkplug.Client) -> None:
        self.todo: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.host, self.port = host, port
        rebirth = metric(REBIRTH, DataType.BOOLEAN, False)
        temperature = metric("temperature", DataType.DOUBLE, 21.5)
        self.node = EdgeNode(GROUP, EDGE, [rebirth, temperature], client, self.commanded("NCMD"))
        self.add_motor()

    def commanded(self, verb: str) -> Any:
        def heard(_node: EdgeNode, message: Message) -> None:
            written = {one.name: one.value for one in message.payload.metrics}
            say(verb, written=written)
            self.todo.put((verb, written))

        return heard

    def add_motor(self) -> None:
        speed = metric("speed", DataType.INT32, 900)
        self.node.register(Device(MOTOR, [speed], self.commanded("DCMD")))

    def listen_to_host(self, host_id: str) -> None:
        topic = Topic(message_type=MessageType.STATE, sparkplug_host_id=host_id)

        def heard(_node: EdgeNode, message: Message) -> None:
            say("state", online=message.payload.online)

        self.node.subscribe(topic, QoS.AT_LEAST_ONCE, heard)

    def connect(self) -> None:
        self.node.connect(self.host, port=self.port)

    def obey(self, verb: str, written: dict[str, Any]) -> None:
        """Do what the host has written."""
        if verb == "DCMD":
            new = [metric(name, DataType.INT32, value) for name, value in written.items()]
            self.node.update_device(MOTOR, new)
        elif written.get(REBIRTH):
            self.node.disconnect()
            self.connect()

    def do(self, what: str) -> None:
        """Do what the test says."""
        match what:
            case "data":
                self.node.update([metric("temperature", DataType.DOUBLE, 22.25)])
                self.node.update_device(MOTOR, [metric("speed", DataType.INT32, 901)])
            case "device leaves":
                self.node.deregister(MOTOR)
            case "device comes":
                self.add_motor()
            case "leave":
                self.node.disconnect()

    def listen(self) -> None:
        for line in sys.stdin:
            self.todo.put((line.strip(), None))
        self.todo.put(("end", None))


def main() -> None:
    host, port, user, token, host_id = sys.argv[1:]
    plant = Plant(host, int(port), sparkplug.Client(username=user, password=token))
    plant.listen_to_host(host_id)
    plant.connect()
    threading.Thread(target=plant.listen, daemon=True).start()
    while True:
        what, written = plant.todo.get()
        if what == "end":
            return
        if written is None:
            plant.do(what)
        else:
            plant.obey(what, written)


if __name__ == "__main__":
    main()
