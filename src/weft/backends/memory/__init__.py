"""All ports in memory: for tests, and the shortest statement of what a port means."""
