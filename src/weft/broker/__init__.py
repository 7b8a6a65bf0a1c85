"""Publish and subscribe within a tenant: who gets which message, what is kept."""
