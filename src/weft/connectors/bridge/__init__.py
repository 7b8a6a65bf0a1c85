"""Bridges to other MQTT brokers, both ways."""
