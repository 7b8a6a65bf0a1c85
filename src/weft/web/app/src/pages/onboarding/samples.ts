// A reading that a device type allows, to stand in the lines that people paste.
import type { Schemas } from '../../api/client';

type Field = Schemas['Field'];
/** What the API's own lines send, to any device. */
const PLAIN = '{"temperature": 21.4}';

/** A value that a field takes; undefined where none can be made up. */
export function sampleOf(field: Field): unknown {
  if (field.enum && field.enum.length > 0) return field.enum[0];
  const low = field.minimum ?? null;
  const high = field.maximum ?? null;
  switch (field.type) {
    case 'number':
    case 'integer': {
      const middle = low !== null && high !== null ? (low + high) / 2 : (low ?? high ?? 20);
      return field.type === 'integer' ? Math.ceil(middle) : middle;
    }
    case 'boolean':
      return true;
    case 'string':
      return 'ok'.slice(0, field.max_length ?? 2);
    default:
      return undefined;
  }
}

/** A reading of the type; empty where it declares nothing that can be made up. */
export function readingOf(telemetry: Record<string, Field>): Record<string, unknown> {
  const all = Object.entries(telemetry);
  const required = all.filter(([, field]) => field.required);
  const wanted = required.length > 0 ? required : all.slice(0, 3);
  return Object.fromEntries(wanted.map(([name, field]) => [name, sampleOf(field)] as const).filter(([, value]) => value !== undefined));
}

/** The lines with a reading of the type in the place of the plain one. */
export function fitted(code: string, telemetry: Record<string, Field> | undefined): string {
  const reading = telemetry && readingOf(telemetry);
  if (!reading || Object.keys(reading).length === 0) return code;
  const written = JSON.stringify(reading);
  // A quote or a backslash would end the text that it stands in: the plain one is kept then.
  return /['\\$`]/.test(written) ? code : code.replaceAll(PLAIN, () => written);
}
