"""Publish and subscribe within a tenant: who gets which message, and what is kept for those away."""
