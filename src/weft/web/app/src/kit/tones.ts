// Which colour a state of ours has; one table for all pages.
export type Tone = 'plain' | 'good' | 'info' | 'warn' | 'major' | 'bad' | 'accent';

const TONES: Record<string, Tone> = {
  // severities and priorities
  critical: 'bad', major: 'major', warning: 'warn', info: 'info',
  urgent: 'bad', high: 'major', medium: 'warn', low: 'info',
  // alarms and work orders
  acknowledged: 'info', cleared: 'plain',
  requested: 'warn', open: 'info', in_progress: 'accent', closed: 'good', cancelled: 'plain',
  // devices and connections
  connected: 'good', away: 'plain', silent: 'warn', pending: 'warn', suspended: 'warn', revoked: 'bad', decommissioned: 'plain',
  // commands and jobs
  queued: 'plain', sent: 'info', delivered: 'info', succeeded: 'good', failed: 'bad', rejected: 'bad', expired: 'warn',
  ok: 'good', healthy: 'good', unhealthy: 'bad', degraded: 'warn', allowed: 'good', denied: 'bad', done: 'good', running: 'accent', enabled: 'good', disabled: 'plain',
};

/** `active` is good for a device and bad for an alarm: those who show alarms say which. */
export function toneOf(value: string): Tone {
  return value === 'active' ? 'good' : (TONES[value] ?? 'plain');
}
