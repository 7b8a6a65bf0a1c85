"""MQTT 3.1.1 and 5.0: codec, and the machines of both ends of a connection."""
