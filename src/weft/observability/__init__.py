"""What operators of Weft itself see: logs and metrics. Never payloads, never secrets."""
