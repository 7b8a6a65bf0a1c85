"""Automation: conditions over messages, alarms once per episode, actions."""
