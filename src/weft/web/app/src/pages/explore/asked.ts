// What is looked at, as it stands in the address and in a saved view.
export interface Asked {
  devices: string[];
  keys: string[];
  /** As `24h`, or `own` with `from` and `to`. */
  span: string;
  from: string;
  to: string;
  aggregate: string;
  step: string;
  compare: string;
}

export const FRESH: Asked = { devices: [], keys: [], span: '24h', from: '', to: '', aggregate: 'mean', step: '', compare: '' };

/** Read it from the address; what is missing is as in a fresh one. */
export function readAsked(query: URLSearchParams): Asked {
  const list = (name: string): string[] => (query.get(name) ?? '').split(',').filter(Boolean);
  const one = (name: Exclude<keyof Asked, 'devices' | 'keys'>): string => query.get(name) ?? FRESH[name];
  return {
    devices: list('devices'), keys: list('keys'), span: one('span'), from: one('from'), to: one('to'),
    aggregate: one('aggregate'), step: one('step'), compare: one('compare'),
  };
}

/** The other way; null takes a part out of the address. */
export function writtenAsked(asked: Asked): Record<string, string | null> {
  const text = { ...asked, devices: asked.devices.join(','), keys: asked.keys.join(',') };
  const fresh: Record<string, string> = { ...FRESH, devices: '', keys: '' };
  return Object.fromEntries(Object.entries(text).map(([name, value]) => [name, value === fresh[name] ? null : value]));
}

/** Take it from what a saved view holds, which is anybody's JSON. */
export function fromView(query: Record<string, unknown>): Asked {
  const list = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []);
  const text = (name: keyof Asked): string => (typeof query[name] === 'string' ? (query[name] as string) : String(FRESH[name]));
  return {
    devices: list(query['devices']), keys: list(query['keys']), span: text('span'), from: text('from'), to: text('to'),
    aggregate: text('aggregate'), step: text('step'), compare: text('compare'),
  };
}

/** From when until when, in ms. */
export function windowOf(asked: Asked, now: number): [number, number] {
  const own: [number, number] = [Date.parse(asked.from), Date.parse(asked.to)];
  if (asked.span === 'own' && own.every(Number.isFinite) && own[0] < own[1]) return own;
  return [now - (Number.parseInt(asked.span, 10) || 24) * 3_600_000, now];
}
