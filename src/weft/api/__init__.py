"""The public API: one table of operations that feeds REST, OpenAPI, the CLI and live streams."""
