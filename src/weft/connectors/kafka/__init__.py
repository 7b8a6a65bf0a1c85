"""Kafka, both ways; needs the extra `kafka`."""
