export const overview = {
  lead: 'How the fleet and the plants are now.',
  alarms: 'Open alarms',
  noAlarms: 'No open alarms',
  noAlarmsText: 'Alarms come from rules. Raised ones stand here, the worst first.',
  shelved: (count: number) => `${count} shelved`,
  suppressed: (count: number) => `${count} held back by maintenance`,
  parts: 'Parts of Weft',
  journal: 'Messages kept',
  connections: 'Connections',
  recent: 'Newest alarms',
  severity: { critical: 'Critical', major: 'Major', warning: 'Warning', info: 'Info' } as Record<string, string>,
  acknowledged: (count: number) => `${count} acknowledged`,
} as const;
