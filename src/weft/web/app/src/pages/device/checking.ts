// Wishes against the type, before they are sent; the server decides all the same.
import type { Schemas } from '../../api/client';
import { device as text } from '../../texts/en/device';

type Field = Schemas['Field'];

export function faultOf(value: unknown, type: Schemas['TypeView'] | null): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return text.notObject;
  if (type === null || Object.keys(type.properties).length === 0) return '';
  for (const [name, one] of Object.entries(value)) {
    const field = type.properties[name];
    if (!field) return text.notDeclared(name, type.name);
    if (field.read_only) return text.readOnly(name);
    const fault = one === null ? '' : faultOfField(name, one, field);
    if (fault) return fault;
  }
  return '';
}

export function faultOfField(name: string, value: unknown, field: Field): string {
  const fits: Record<string, boolean> = {
    number: typeof value === 'number',
    integer: Number.isInteger(value),
    boolean: typeof value === 'boolean',
    string: typeof value === 'string',
    array: Array.isArray(value),
    object: typeof value === 'object' && value !== null && !Array.isArray(value),
  };
  if (fits[field.type] === false) return text.notOfType(name, field.type);
  if (typeof value === 'number' && ((field.minimum ?? -Infinity) > value || (field.maximum ?? Infinity) < value)) {
    return text.outside(name, String(field.minimum ?? '–∞'), String(field.maximum ?? '∞'));
  }
  return '';
}
