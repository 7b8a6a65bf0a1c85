"""Automation: conditions over messages, alarms that rise once per episode, the actions they ask for."""
