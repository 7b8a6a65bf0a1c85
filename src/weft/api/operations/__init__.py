"""The operations, one module per noun; each module ends in its table."""
