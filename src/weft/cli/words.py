"""Words: what the command line says beyond the table: examples, options, and next steps.

A list that is empty says what would fill it; an option says what it takes. A test holds
these to the table, so that no command is without them.
"""

# An empty list: what that means, and the next step.
EMPTY: dict[str, str] = {
    "get_device_history": "No samples of that time. Which keys there are: weft history keys DEVICE",
    "get_history": "No samples of that time. Which keys there are: weft history keys DEVICE",
    "list_alarm_history": "Nothing was done to it yet. Take it: weft alarm acknowledge ALARM",
    "list_alarms": "No alarms. Rules raise them: weft rule list",
    "list_asset_attachments": "No device was ever attached to it: "
    "weft asset attach DEVICE observes ASSET",
    "list_assets": "No assets. Begin with a site: weft asset add site north",
    "list_attempts": "Nobody has tried to connect as this device since the start. What to paste "
    "on the device: weft credential add DEVICE",
    "list_audit": "No such act is in the audit. All of it: weft audit list",
    "list_children": "Nothing stands below it. Add something: "
    "weft asset add KIND NAME --parent ASSET",
    "list_changes": "Nothing changed lately that you may read. Look further back: "
    "weft change list --since 2026-01-01T00:00:00Z",
    "list_claims": "No claims. Make one for a batch of 100 devices: weft claim add pumps 100",
    "list_commands": "No commands went to this device. Send one: "
    "weft command send DEVICE NAME INPUT=VALUE",
    "list_authorities": "No authority of a customer's. Register one: "
    "weft authority register ca.pem",
    "list_connections": "Nobody is connected. Add a device: weft device add pump-1",
    "list_connector_kinds": "No kinds of connectors. Weft's own come with it: weft doctor",
    "list_connectors": "No connectors. Set one up: weft connector set NAME FILE; "
    "see docs/howto/set-up-a-connector.md",
    "list_credentials": "No credentials, so this device cannot connect. Give it one: "
    "weft credential add DEVICE",
    "list_device_attachments": "It was not attached then. Attach it: "
    "weft asset attach DEVICE observes ASSET",
    "list_device_connections": "It has never connected. Why: weft device why DEVICE",
    "list_device_children": "It speaks for no other device: weft device add NAME --gateway DEVICE",
    "list_device_events": "No event of it is kept. It sends one to devices/me/events/NAME.",
    "list_device_messages": "None of it where this looked. Its events: weft device events DEVICE; "
    "what it measured: weft history show DEVICE",
    "list_dead_events": "The receiver has taken everything so far.",
    "list_derivations": "Nothing is computed. Save how: weft derived save power power.yaml",
    "list_derivation_versions": "No versions of this derivation are kept.",
    "list_devices": "No devices. Add one: weft device add pump-1",
    "list_fleet": "No device has said where it is. Send latitude and longitude as telemetry.",
    "list_views": "No views. Save one: see POST /views in the API's description.",
    "list_user_sessions": "Signed in nowhere.",
    "list_all_sessions": "Nobody is signed in.",
    "list_faults": "No faults. Alarms of rules with a work_order action open them: weft rule list",
    "list_fault_alarms": "None of its alarms is behind that.",
    "list_imports": "No imports. Begin one: weft device import pumps.csv",
    "list_geofences": "No geofences. Save one: weft geofence save depot depot.geojson",
    "list_group_devices": "No device belongs to it now.",
    "list_groups": "No groups. Save one: weft group add critical \"'critical' in device.tags\"",
    "list_keys": "No service keys. Make one: weft key add erp --scope devices:read",
    "list_notification_policies": "Nobody hears of alarms. Say who: "
    "weft notification save shift policy.yaml",
    "list_outbox": "Nothing went to business systems. Rules with actions ask for that: "
    "weft rule list",
    "list_packs": "This Weft brings no packs along.",
    "list_plans": "No maintenance plans. Make one: weft plan add oil erp 'Change the oil' 2 "
    "--unit weeks --start 2026-03-02",
    "list_calendars": "No working calendars, so due dates count day and night. Save one: "
    "weft calendar save default 'Mon-Fri 07:00-15:00' --zone Europe/Berlin",
    "list_quarantine": "No device waits. Those of a claim without --approve, and of an "
    "authority without --auto-approve, come here first.",
    "list_findings": "Nothing: the rule would not have raised, and nothing was recorded.",
    "list_replays": "No replays. Run a rule over the past: weft rule replay RULE",
    "list_recomputings": "No sample came late that anything is computed of.",
    "list_relations": "It is related to nothing: weft asset relate ASSET feeds OTHER",
    "list_rejections": "No message was refused.",
    "list_routes": "No routes. Save one: weft route save tour tour.geojson",
    "list_rules": "No rules. Try one on the past, then save it: weft rule try FILE; "
    "weft rule add FILE",
    "list_rule_versions": "No versions of this rule are kept.",
    "list_subscriptions": "Nobody has subscribed to events. Say who: "
    "weft subscription add NAME URL",
    "list_tenants": "No tenants. Make one: weft tenant add north",
    "list_trips": "No trips. Make one: weft trip add --help",
    "list_types": "No device types. Save one: weft type save pump pump.yaml",
    "list_users": "Nobody has signed up yet. Make a one-time link: weft user link",
    "list_windows": "No maintenance windows. Plan one: "
    'weft maintenance add cleaning --assets line-1 --times "Sat 22:00-04:00"',
    "list_work_orders": "No work orders. Rules with a work_order action ask for them: "
    "weft rule list",
}

# What one would type, where that is not plain from the usage.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "cut_connection": ("weft connection cut 5",),
    "check_type": ("weft type check pump pump.yaml",),
    "compare_type_versions": ("weft type diff pump 1 2",),
    "claim_device": ("weft device claim pump-7 K7WM-2Q8D-0RTA-5HXJ",),
    "release_device": ("weft device release pump-7",),
    "attach_device": (
        "weft asset attach pump-7 observes line-1",
        "weft asset attach tracker-3 observes trailer-9 --from 2026-03-01T06:00:00Z",
    ),
    "list_device_attachments": ("weft asset attachments tracker-3 --at 2026-03-03T12:00:00Z",),
    "relate_assets": ("weft asset relate tank-1 feeds line-1",),
    "create_asset": (
        "weft asset add site north",
        "weft asset add line line-1 --parent north --tags critical --attributes hall=2",
    ),
    "create_claim": (
        "weft claim add pumps-2026 500 --prefix pump- --type pump --approve",
        "weft claim add meters 40 --network 10.20.0.0/16 --end 2026-12-31T00:00:00Z",
    ),
    "create_group": (
        "weft group add hot-pumps \"device.type == 'pump' && telemetry.temperature > 80\"",
        "weft group add hall-2 --members pump-1 --members pump-2",
    ),
    "list_device_events": (
        "weft device events pump-1 --name leak",
        "weft device events pump-1 --start 2026-03-01T00:00:00Z",
    ),
    "list_devices": ("weft device list --filter \"'hall-2' in asset.ancestors && !connected\"",),
    "create_key": (
        "weft key add erp --scope devices:read --scope telemetry:read",
        "weft key add line-3 --grant action=subscribe,filter=devices/+/telemetry",
    ),
    "create_rule": ("weft rule add too-hot.yaml", "weft rule add - <too-hot.yaml"),
    "create_trip": (
        "weft trip add d1 tour --device truck-1 --from 2026-03-02T06:00Z --until 2026-03-03T00:00Z",
    ),
    "create_tenant": ('weft tenant add north --name "Northern plant" --quotas devices=500',),
    "get_asyncapi": ("weft type asyncapi pump --format yaml >pump.asyncapi.yaml",),
    "get_td": ("weft device td pump-1 >pump-1.td.json",),
    "get_tm": ("weft type tm pump >pump.tm.json",),
    "get_device_history": (
        "weft history show pump-1 --keys temperature --bucket 1m --aggregates mean,max",
        "weft history show pump-1 --start 2026-03-01T00:00:00Z --format csv >pump-1.csv",
    ),
    "export_devices": ("weft device export --format csv >devices.csv",),
    "get_import_report": ("weft import report 019a2b3c >report.csv",),
    "get_history": ("weft history read --devices pump-1,pump-2 --keys temperature --bucket 1h",),
    "get_lineage": (
        "weft lineage show sample 2781",
        "weft lineage show work_order 70e91634-466d-58b9-a965-6b32d04e8a9c",
    ),
    "invite_user": ("weft user invite operator",),
    "issue_credential": (
        "weft credential add pump-1",
        "weft credential add pump-1 --kind certificate",
    ),
    "list_audit": ("weft audit list --target device:pump-1",),
    "get_pack_samples": ("weft pack samples predictive-maintenance --device pump-1-sensor",),
    "install_pack": (
        "weft pack install predictive-maintenance",
        "weft pack install predictive-maintenance --prefix plant2- --connector sap --dry-run",
    ),
    "list_rejections": ("weft rejection list --device pump-1",),
    "move_device": ("weft device move pump-1 suspended",),
    "approve_device": (
        "weft quarantine approve pump-7 --type pump",
        "weft quarantine approve pump-7 --type pump --infer --label 'Cooling pump'",
    ),
    "redrive_rejection": ("weft rejection redrive 1160",),
    "redrive_rejections": ("weft rejection redrive-all --device pump-1",),
    "save_derivation": ("weft derived save power power.yaml",),
    "save_geofence": ("weft geofence save depot depot.geojson",),
    "export_geofences": ("weft geofence export >fences.geojson",),
    "save_type": (
        "weft type save pump pump.yaml",
        "weft type save pump pump.yaml --breaking allow",
    ),
    "send_bulk": (
        "weft command bulk restart --group hall-2-pumps",
        "weft command bulk restart --type pump",
        "weft command bulk set_speed rpm=900 --devices pump-1,pump-2 --ttl 3600",
    ),
    "send_command": (
        "weft command send pump-1 set_speed rpm=900 --wait 10",
        "weft command send pump-1 restart --ttl 3600",
    ),
    "set_user_roles": ("weft user roles anna operator viewer",),
    "try_rule": ("weft rule try too-hot.yaml --start 2026-03-01T00:00:00Z",),
    "update_asset": ("weft asset update line-1 --parent hall-2",),
    "update_authority": ("weft authority update ID --no-enabled",),
    "update_device": ('weft device update pump-1 --label "Cooling pump" --attributes hall=2',),
    "update_twin": ("weft twin desire pump-1 interval_s=10",),
}

# What an option takes, where the table does not say it. A field, or an operation's field.
HELP: dict[str, str] = {
    "action": "Acts of this kind only, as alarm.clear.",
    "auto_approve": "Let its devices in without asking anybody.",
    "actor": "Acts of this person, key or rule only.",
    "alarm": "Of this alarm only.",
    "adds_children": "Whether this gateway may add the devices that it speaks of.",
    "alias": "What its gateway calls it.",
    "attributes": "A fact, as hall=2; again for more; hall=null removes it.",
    "code": "Refused for this reason only, as payload_invalid.",
    "comment": "Why, for those who read it later.",
    "descending": "Newest first.",
    "device": "Of this device only.",
    "devices": "A device; again or with commas for more.",
    "grants": "A topic right, as action=subscribe,filter=devices/+/telemetry; again for more.",
    "kind": "What it proves itself with; a secret if left out.",
    "expression": "As conditions of rules are: 'critical' in device.tags.",
    "gateway": "The gateway that speaks for it; null for none.",
    "label": "What people call it.",
    "life_s": "How many seconds it is good.",
    "lifecycle": "In this state only.",
    "limit": "How many at most.",
    "members": "A device; again for more.",
    "name": "What people call it.",
    "list_alarms.assignee": "Given to this user; empty: to nobody.",
    "list_alarms.open": "Active or acknowledged.",
    "list_alarms.priority": "Of this priority only.",
    "list_alarms.suppressed": "Kept back: in maintenance, by a cause, in a flood.",
    "list_alarms.shelved": "Put aside for a time.",
    "parent": "What it stands below; null for nothing.",
    "position": "Where it is, as latitude=52.37,longitude=4.89.",
    "position_keys": "Telemetry of its devices that says where it is: latitude=lat,longitude=lon.",
    "quotas": "A limit, as devices=500; again for more.",
    "reason": "Why, for those who read it later.",
    "request_id": "The same id again is the same command.",
    "rule": "Of this rule only.",
    "scopes": "What it may do, as devices:read; again for more.",
    "severity": "Of this severity only.",
    "start": "RFC 3339; from the oldest kept message if left out.",
    "enabled": "Whether its devices are let in.",
    "name_field": "Which field of a certificate is the device's name.",
    "end": "RFC 3339; to now if left out.",
    "state": "In this state only.",
    "tags": "A word that it is found by; again for more.",
    "target": "Acts on this only, as device:pump-1.",
    "type_name": "The device type it follows.",
    "verify_audit.sequence": "Of a head that was kept elsewhere (weft audit head).",
    "verify_audit.hash": "Of that head.",
    "verify_audit.at": "Of that head.",
    "verify_audit.signature": "Of that head.",
}

# These read the whole journal or audit: they are waited for, and say so.
SLOW = frozenset({"try_rule", "verify_audit"})
SLOW_TIMEOUT_S = 3600.0


def help_of(operation: str, field: str) -> str:
    """Return what an option of an operation takes; empty if nothing is said."""
    return HELP.get(f"{operation}.{field}") or HELP.get(field, "")
