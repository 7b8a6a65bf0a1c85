// Numbers and values as people read them.
const grouped = new Intl.NumberFormat(undefined, { maximumFractionDigits: 3 });
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

export function numberText(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toPrecision(3);
  return grouped.format(value);
}

export const compactText = (value: number): string => (Math.abs(value) < 10_000 ? grouped.format(value) : compact.format(value));

export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'number') return numberText(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const UNITS: Record<string, string> = { Cel: '°C', 'm/s2': 'm/s²', m3: 'm³', m2: 'm²', deg: '°', '1/min': 'min⁻¹', '%RH': '% RH' };
/** UCUM as people write it: [g] and {piece} are words of its own. */
export function unitText(unit: string): string {
  const whole = UNITS[unit];
  if (whole !== undefined) return whole;
  return unit.endsWith('/s') ? `${unitText(unit.slice(0, -2))}/s` : unit.replace(/[[\]{}]/g, '');
}
