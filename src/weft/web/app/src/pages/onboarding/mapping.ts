// The mapping of a device type as a form, and back; what the form does not know stays as it was.
import { onboarding } from '../../texts/en/onboarding';
import { nextId, type Document } from './fields';

/** Where one key's value stands in a document that is sent. */
export interface SourceRow {
  id: number;
  /** `telemetry.temperature`, `properties.mode`; empty in a new row. */
  target: string;
  how: string;
  /** A path, or a constant as JSON. */
  from: string;
  scale: string;
  offset: string;
  unit: string;
  fallback: string;
  parse: boolean;
  /** It was a path and nothing else, and is written so again. */
  plain: boolean;
  rest: Document;
}

/** Where one key's value stands in bytes. */
export interface BitRow {
  id: number;
  target: string;
  byte: string;
  bytes: string;
  bit: string;
  bits: string;
  signed: boolean;
  scale: string;
  offset: string;
  unit: string;
  rest: Document;
}

export interface MappingForm {
  format: string;
  unmapped: boolean;
  each: string;
  time: string;
  timeUnit: string;
  timePlain: boolean;
  /** Paths, one a line. */
  ignore: string;
  sources: SourceRow[];
  bytesFrom: string;
  encoding: string;
  order: string;
  bits: BitRow[];
  /** Words of `binary`, and of the mapping, that have no place in the form. */
  binaryRest: Document;
  rest: Document;
}

const SECTIONS = ['telemetry', 'properties'];
const KNOWN = ['format', 'unmapped', 'each', 'time', 'ignore', 'binary', ...SECTIONS];
const SOURCE = ['from', 'constant', 'scale', 'offset', 'unit', 'default', 'parse'];
const BITS = ['byte', 'bytes', 'bit', 'bits', 'signed', 'scale', 'offset', 'unit'];
const BINARY = ['from', 'encoding', 'order', 'fields'];

export const newSource = (): SourceRow => ({ id: nextId(), target: '', how: 'from', from: '', scale: '', offset: '', unit: '', fallback: '', parse: false, plain: true, rest: {} });
export const newBits = (): BitRow => ({ id: nextId(), target: '', byte: '0', bytes: '', bit: '', bits: '', signed: false, scale: '', offset: '', unit: '', rest: {} });

const isGroup = (value: unknown): value is Document => typeof value === 'object' && value !== null && !Array.isArray(value);
const groupOf = (value: unknown): Document => (isGroup(value) ? value : {});
const textOf = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
const without = (words: Document, known: readonly string[]): Document => Object.fromEntries(Object.entries(words).filter(([word]) => !known.includes(word)));

/** A number as it was typed: what is none goes to the server as it is, which says so. */
const numberOf = (typed: string): unknown => (Number.isNaN(Number(typed)) ? typed : Number(typed));

/** A value as one types it: JSON, and a bare word for a text. */
export function valueOf(typed: string): unknown {
  try {
    return JSON.parse(typed);
  } catch {
    return typed;
  }
}

/** A value as it would be typed, so that `valueOf` gives it back. */
export const typedOf = (value: unknown): string => (typeof value === 'string' && valueOf(value) === value ? value : JSON.stringify(value));

/** A default as it would be typed; nothing typed is none, so that an empty text stands in quotes. */
function fallbackOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' && value.trim() === '' ? JSON.stringify(value) : typedOf(value);
}

function sourceOf(target: string, entry: unknown): SourceRow {
  const words = typeof entry === 'string' ? { from: entry } : groupOf(entry);
  const constant = 'constant' in words;
  return {
    ...newSource(),
    target,
    how: constant ? 'constant' : 'from',
    from: constant ? typedOf(words['constant']) : textOf(words['from']),
    scale: textOf(words['scale']),
    offset: textOf(words['offset']),
    unit: textOf(words['unit']),
    fallback: fallbackOf(words['default']),
    parse: words['parse'] === true,
    plain: typeof entry === 'string',
    rest: without(words, SOURCE),
  };
}

function bitsOf(target: string, entry: unknown): BitRow {
  const words = groupOf(entry);
  const texts = Object.fromEntries(['byte', 'bytes', 'bit', 'bits', 'scale', 'offset', 'unit'].map((word) => [word, textOf(words[word])]));
  return { ...newBits(), ...texts, target, signed: words['signed'] === true, rest: without(words, BITS) };
}

export function mappingOf(section: unknown): MappingForm {
  const words = groupOf(section);
  const binary = groupOf(words['binary']);
  const time = words['time'];
  return {
    format: textOf(words['format']),
    unmapped: words['unmapped'] === 'ignore',
    each: textOf(words['each']),
    time: typeof time === 'string' ? time : textOf(groupOf(time)['from']),
    timeUnit: textOf(groupOf(time)['unit']),
    timePlain: !isGroup(time),
    ignore: Array.isArray(words['ignore']) ? words['ignore'].map(String).join('\n') : '',
    sources: SECTIONS.flatMap((name) => Object.entries(groupOf(words[name])).map(([key, entry]) => sourceOf(`${name}.${key}`, entry))),
    bytesFrom: textOf(binary['from']),
    encoding: textOf(binary['encoding']),
    order: textOf(binary['order']),
    bits: Object.entries(groupOf(binary['fields'])).map(([key, entry]) => bitsOf(`telemetry.${key}`, entry)),
    binaryRest: without(binary, BINARY),
    rest: without(words, KNOWN),
  };
}

/** Put a typed number or text into words, where something was typed. */
function put(words: Document, from: Pick<BitRow, 'scale' | 'offset' | 'unit'>): void {
  if (from.scale.trim()) words['scale'] = numberOf(from.scale);
  if (from.offset.trim()) words['offset'] = numberOf(from.offset);
  if (from.unit.trim()) words['unit'] = from.unit.trim();
}

function writtenSource(row: SourceRow): unknown {
  if (row.how === 'constant') return { ...row.rest, constant: valueOf(row.from) };
  const words: Document = { from: row.from.trim(), ...row.rest };
  put(words, row);
  if (row.fallback.trim()) words['default'] = valueOf(row.fallback);
  if (row.parse) words['parse'] = true;
  return row.plain && Object.keys(words).length === 1 ? words['from'] : words;
}

function writtenBits(row: BitRow): Document {
  const words: Document = { ...row.rest };
  for (const word of ['byte', 'bytes', 'bit', 'bits'] as const) if (row[word].trim()) words[word] = numberOf(row[word]);
  if (row.signed) words['signed'] = true;
  put(words, row);
  return words;
}

/** `telemetry.a.b` is the key `a.b` of telemetry. */
const splitTarget = (target: string): [string, string] => [target.slice(0, target.indexOf('.')), target.slice(target.indexOf('.') + 1)];

/** The mapping that the form says, or undefined where it says nothing. */
export function writtenMapping(form: MappingForm): Document | undefined {
  const words: Document = { ...form.rest };
  if (form.format) words['format'] = form.format;
  if (form.unmapped) words['unmapped'] = 'ignore';
  if (form.each.trim()) words['each'] = form.each.trim();
  if (form.time.trim()) words['time'] = form.timePlain && !form.timeUnit ? form.time.trim() : { from: form.time.trim(), ...(form.timeUnit ? { unit: form.timeUnit } : {}) };
  for (const row of form.sources.filter((one) => one.target)) {
    const [section, key] = splitTarget(row.target);
    words[section] = { ...groupOf(words[section]), [key]: writtenSource(row) };
  }
  const fields = form.bits.filter((row) => row.target).map((row) => [splitTarget(row.target)[1], writtenBits(row)] as const);
  if (fields.length > 0) {
    const about = { ...(form.bytesFrom.trim() ? { from: form.bytesFrom.trim() } : {}), ...(form.encoding ? { encoding: form.encoding } : {}), ...(form.order ? { order: form.order } : {}) };
    words['binary'] = { ...form.binaryRest, ...about, fields: Object.fromEntries(fields) };
  }
  const ignored = form.ignore.split('\n').map((line) => line.trim()).filter(Boolean);
  if (ignored.length > 0) words['ignore'] = ignored;
  return Object.keys(words).length > 0 ? words : undefined;
}

/** The document with this mapping; one that says nothing is left out. */
export function withMapping(document: Document, form: MappingForm): Document {
  const mapping = writtenMapping(form);
  const made = { ...document };
  if (mapping) made['mapping'] = mapping;
  else delete made['mapping'];
  return made;
}

/** What is wrong with the form before anybody is asked; empty for nothing. */
export function mappingFaultOf(form: MappingForm): string {
  const targets = [...form.sources, ...form.bits].map((row) => row.target).filter(Boolean);
  const twice = targets.find((target, at) => targets.indexOf(target) !== at);
  if (twice) return onboarding.types.twice(splitTarget(twice)[1]);
  const places = [...form.sources.map((row) => ({ ...row, place: row.from.trim() })), ...form.bits.map((row) => ({ ...row, place: row.byte.trim() && onboarding.types.byteAt(row.byte.trim()) }))];
  const homeless = places.find((row) => !row.target && row.place);
  if (homeless) return onboarding.types.noKey(homeless.place);
  const nowhere = form.bits.find((row) => row.target && !row.byte.trim());
  return nowhere ? onboarding.types.noByte(splitTarget(nowhere.target)[1]) : '';
}
