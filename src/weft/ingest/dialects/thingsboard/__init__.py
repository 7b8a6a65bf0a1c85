"""ThingsBoard: devices and gateways that were programmed for it connect unchanged."""
