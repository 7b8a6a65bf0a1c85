// A form made of the settings that a kind of connector has: what is shown of them, and what the
// answers become. A setting within a table has the table's name and a dot in front.
import type { Schemas } from '../../api/client';

export type Setting = Schemas['SettingView'];
export type Kind = Schemas['ConnectorKindView'];
export type Values = Record<string, unknown>;
/** By the name of their setting; null takes one away. */
export type Secrets = Record<string, string | null>;
/** The value of a secret that is to be forgotten; nothing typed keeps it. */
export const FORGET = null;
/** The choice of a table that is not there. */
export const NONE = '';

const tableOf = (name: string): string => name.split('.').slice(0, -1).join('.');
export const depthOf = (name: string): number => name.split('.').length - 1;

/** What a setting is called: its name in words. */
export function labelOf(name: string): string {
  const words = name.replaceAll('.', ': ').replace(/_s$/, ' (s)').replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whether a table has settings of its own; one without holds whatever is written into it. */
export const hasParts = (settings: readonly Setting[], one: Setting): boolean =>
  one.type === 'table' && settings.some((other) => tableOf(other.name) === one.name);

/** Whether a PEM text goes there: several lines, which a password field would join. */
export const isLong = (one: Setting): boolean => one.name.startsWith('client_certificate.');

/** What a form begins with: what is saved, or the defaults. */
export function valuesOf(settings: readonly Setting[], saved?: Values, secrets: readonly string[] = []): Values {
  const found: Values = {};
  for (const one of settings) {
    const said = saved === undefined ? undefined : at(saved, one.name);
    if (one.secret) found[one.name] = '';
    else if (hasParts(settings, one)) {
      const there = said !== undefined || one.required || secrets.some((name) => tableOf(name) === one.name);
      if (one.choices.length > 0) found[one.name] = isTable(said) ? String(said['kind'] ?? NONE) : one.required ? one.choices[0] : NONE;
      else found[one.name] = there;
    } else if (one.type === 'list') found[one.name] = listOf(said ?? one.default).join('\n');
    else if (one.type === 'boolean') found[one.name] = said ?? one.default ?? false;
    else if (one.type === 'table') found[one.name] = said ?? one.default ?? {};
    else found[one.name] = (said ?? one.default ?? '') as unknown;
  }
  return found;
}

/** Whether a setting is asked for: its tables are there, and it belongs to what was chosen. */
export function isShown(settings: readonly Setting[], one: Setting, values: Values): boolean {
  const above = tableOf(one.name);
  if (above === '') return true;
  const table = settings.find((other) => other.name === above);
  if (!table || !isShown(settings, table, values)) return false;
  const chosen = values[above];
  return table.choices.length > 0 ? chosen === one.of : chosen === true;
}

/** What the answers become: settings without secrets, and secrets; a default is left out. */
export function collect(settings: readonly Setting[], values: Values): { settings: Values; secrets: Secrets } {
  const made: Values = {};
  const secrets: Secrets = {};
  for (const one of settings) {
    if (!isShown(settings, one, values)) continue;
    const value = values[one.name];
    if (one.secret) {
      if (value === FORGET) secrets[one.name] = null;
      else if (value !== '') secrets[one.name] = String(value);
    } else if (hasParts(settings, one)) {
      if (one.choices.length > 0 ? value !== NONE : value === true) put(made, one.name, one.choices.length > 0 ? { kind: value } : {});
    } else {
      const said = saidOf(one, value);
      if (said !== undefined) put(made, one.name, said);
    }
  }
  return { settings: made, secrets };
}

function saidOf(one: Setting, value: unknown): unknown {
  if (one.type === 'list') {
    const items = listOf(value);
    return one.required || items.length > 0 ? items : undefined;
  }
  if (one.type === 'table') return one.required || Object.keys(isTable(value) ? value : {}).length > 0 ? value : undefined;
  if (one.type === 'number') return value === '' || value === null || Number(value) === one.default ? undefined : Number(value);
  return !one.required && value === (one.default ?? '') ? undefined : value;
}

const isTable = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value);

/** One item a line: any other mark may stand within an item. */
const listOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value.map(String) : String(value ?? '').split('\n')).map((item) => item.trim()).filter(Boolean);

function at(table: Values, name: string): unknown {
  return name.split('.').reduce<unknown>((found, part) => (isTable(found) ? found[part] : undefined), table);
}

function put(table: Values, name: string, value: unknown): void {
  const parts = name.split('.');
  const last = parts.pop() ?? '';
  let place = table;
  for (const part of parts) {
    const below = place[part];
    place = isTable(below) ? below : ((place[part] = {}) as Values);
  }
  place[last] = value;
}
