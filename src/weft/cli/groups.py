"""The groups of commands that are generated from the table, with a line on each.

They are named here so that `weft --help` answers without loading the table; a test holds
the two together.
"""

GROUPS: dict[str, str] = {
    "alarm": "Alarms: see them, take them, put them aside, clear them.",
    "asset": "The plant: sites, lines, machines, vehicles, and what observes them.",
    "audit": "Who did what, and whether the record is whole.",
    "calendar": "Working calendars: when people are there, for due dates.",
    "change": "What has changed lately, as far as you may read it.",
    "claim": "Claims: what batches of devices ask for their identities with.",
    "command": "Requests to devices, and what became of each.",
    "authority": "Customers' own certificate authorities.",
    "ca": "Weft's own certificate authority, and its root's key.",
    "connection": "Who is connected now, and cutting it.",
    "connector": "Business systems that are configured.",
    "credential": "What devices prove themselves with.",
    "derived": "Telemetry that Weft computes: how, and what late data has changed of it.",
    "device": "Devices: make, see, change and delete them.",
    "fault": "Faults: what is wrong with which asset, and which alarms say so.",
    "fleet": "Where devices are on the map, and where they have been.",
    "geofence": "Geofences: areas with a name, for rules.",
    "group": "Groups of devices: by an expression, or listed.",
    "history": "Telemetry over time.",
    "import": "Imports of devices, and their reports.",
    "key": "Service keys of business systems.",
    "lineage": "From a sample to a work order, and back.",
    "maintenance": "When alarms of a part of the plant are held back.",
    "notification": "Who hears of which alarms.",
    "outbox": "Actions on their way to business systems.",
    "pack": "Packs: types, assets, rules and simulated devices, installed at once.",
    "plan": "Maintenance plans: work orders by the calendar or by a meter.",
    "policy": "Whether somebody may do something, and why.",
    "quarantine": "Devices that came by themselves and wait for your word.",
    "rejection": "Messages that were refused, and sending them again.",
    "replay": "Rules over the past: what was found, and what is under way.",
    "route": "Planned routes, with stops and times.",
    "rule": "Rules: save, try and switch them.",
    "subscription": "Who is told of events by HTTP, and how far that is.",
    "system": "How Weft is, and who you are.",
    "tenant": "Tenants of this Weft.",
    "trip": "Trips: who follows which route, and when.",
    "twin": "What devices last told, and what is wanted of them.",
    "type": "Device types and their versions.",
    "user": "People: invite, give roles, disable.",
    "view": "Saved views: what people look at again and again.",
    "work-order": "Work orders in business systems.",
}

# Written by hand: name -> (module, attribute, help), loaded when asked for.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "backup": ("weft.cli.backup", "backup", "Back up the data folder into one sealed file."),
    "bench": ("weft.cli.bench", "bench", "Measure messages a second and what each costs."),
    "doctor": ("weft.cli.doctor", "doctor", "Find what is wrong, and mend damaged files."),
    "restore": ("weft.cli.backup", "restore_command", "Make a data folder of a backup."),
    "sign-in": ("weft.cli.sign_up", "sign_in", "Sign in and print an access token."),
    "sign-up": ("weft.cli.sign_up", "sign_up", "Make the account of a one-time link."),
    "check": ("weft.cli.serve", "check", "Validate a configuration, and show it."),
    "simulate": ("weft.cli.simulate", "simulate", "Drive simulated devices, with faults."),
    "watch": ("weft.cli.watch", "watch", "See live what devices send and what comes of it."),
    "up": ("weft.cli.serve", "up", "Start everything and serve until Ctrl-C."),
}
