"""The `weft` command: starts everything, and mirrors the API for people at a terminal."""
