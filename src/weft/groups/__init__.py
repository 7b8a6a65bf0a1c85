"""Groups: devices and assets found by an expression, and saved under a name."""
