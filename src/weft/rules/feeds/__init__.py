"""Functions that remember: windows over samples, each a small machine of one device."""
