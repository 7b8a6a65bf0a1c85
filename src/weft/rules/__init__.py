"""Rules: conditions over what devices say, the alarms they raise and the actions they ask for."""
