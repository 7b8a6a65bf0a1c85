// What a service key may be given, by subject: tests hold it to the server's own table.
export const READ_AND_WRITE = [
  'alarms', 'assets', 'claims', 'commands', 'connections', 'connectors', 'devices', 'groups', 'notifications', 'outbox', 'packs',
  'places', 'quarantine', 'rejections', 'rules', 'subscriptions', 'telemetry', 'twins', 'types', 'views', 'work_orders',
] as const;
export const READ_ONLY = ['audit', 'changes', 'health', 'lineage', 'live', 'metrics', 'openapi', 'session'] as const;

export interface Subject {
  name: string;
  read: string;
  write: string | null;
}

export const SUBJECTS: readonly Subject[] = [
  ...READ_AND_WRITE.map((name) => ({ name, read: `${name}:read`, write: `${name}:write` })),
  ...READ_ONLY.map((name) => ({ name, read: `${name}:read`, write: null })),
].sort((a, b) => (a.name < b.name ? -1 : 1));
