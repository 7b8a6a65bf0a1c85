"""History in the words of the Prometheus HTTP API, so that Grafana reads it without a plug-in."""
