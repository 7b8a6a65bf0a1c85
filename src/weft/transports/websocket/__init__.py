"""MQTT over WebSocket: frames as a transport, and the door in the HTTP listener."""
