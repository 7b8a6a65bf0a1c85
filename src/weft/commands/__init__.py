"""Commands: requests to devices, each to its one outcome."""
