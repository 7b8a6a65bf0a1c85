"""What exists: tenants, device types and devices."""
