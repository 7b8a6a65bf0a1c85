"""MQTT over sockets: one connection, the listener, and what both are given."""
