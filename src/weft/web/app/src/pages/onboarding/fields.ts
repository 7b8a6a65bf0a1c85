// The fields of a device type as rows of a form, and back; what a form does not know stays as it was.
import type { Schemas } from '../../api/client';
import { unitText } from '../../kit/numbers';
import { onboarding } from '../../texts/en/onboarding';

export type Document = Record<string, unknown>;

export interface Row {
  /** Of the row on this page; a name may still be empty. */
  id: number;
  name: string;
  type: string;
  unit: string;
  minimum: string;
  maximum: string;
  required: boolean;
  readOnly: boolean;
  /** Words of the field that have no place in the form. */
  rest: Document;
}

export const KINDS = ['number', 'integer', 'boolean', 'string', 'object', 'array'];
const WORDS = ['type', 'unit', 'minimum', 'maximum', 'required', 'readOnly'];
let last = 0;

/** A number for a row of this page, that no other row has. */
export const nextId = (): number => ++last;
export const newRow = (): Row => ({ id: nextId(), name: '', type: 'number', unit: '', minimum: '', maximum: '', required: false, readOnly: false, rest: {} });

/** A W3C Thing Model is edited as a document; the short form has fields. */
export function isShort(document: Document): boolean {
  return !('@type' in document) && !('actions' in document) && !Object.keys(document).some((word) => word.startsWith('@'));
}

export function rowsOf(section: unknown): Row[] {
  if (typeof section !== 'object' || section === null) return [];
  return Object.entries(section as Record<string, Document>).map(([name, field]) => {
    const words = typeof field === 'object' && field !== null ? field : {};
    return {
      ...newRow(),
      name,
      type: String(words['type'] ?? 'number'),
      unit: String(words['unit'] ?? ''),
      minimum: words['minimum'] === undefined || words['minimum'] === null ? '' : String(words['minimum']),
      maximum: words['maximum'] === undefined || words['maximum'] === null ? '' : String(words['maximum']),
      required: words['required'] === true,
      readOnly: words['readOnly'] === true,
      rest: Object.fromEntries(Object.entries(words).filter(([word]) => !WORDS.includes(word))),
    };
  });
}

/** A bound as it was typed: what is no number goes to the server as it is, which says so. */
const bound = (typed: string): unknown => (typed.trim() === '' ? undefined : Number.isNaN(Number(typed)) ? typed : Number(typed));

export function sectionOf(rows: readonly Row[]): Document {
  const named = rows.filter((row) => row.name.trim() !== '');
  return Object.fromEntries(
    named.map((row) => {
      const words: Document = { type: row.type, ...row.rest };
      if (row.unit.trim()) words['unit'] = row.unit.trim();
      const isNumber = row.type === 'number' || row.type === 'integer';
      if (isNumber && bound(row.minimum) !== undefined) words['minimum'] = bound(row.minimum);
      if (isNumber && bound(row.maximum) !== undefined) words['maximum'] = bound(row.maximum);
      if (row.required) words['required'] = true;
      if (row.readOnly) words['readOnly'] = true;
      return [row.name.trim(), words];
    }),
  );
}

/** What is wrong with the rows before anybody is asked; empty for nothing. */
export function faultOf(rows: readonly { name: string }[]): string {
  const seen = new Set<string>();
  for (const name of rows.map((row) => row.name.trim()).filter(Boolean)) {
    if (seen.has(name)) return onboarding.types.twice(name);
    seen.add(name);
  }
  return '';
}

/** The document with the sections of the form in it; an empty section is left out. */
export function documentOf(base: Document, title: string, telemetry: readonly Row[], properties: readonly Row[]): Document {
  const made: Document = { ...base };
  const sections = { telemetry: sectionOf(telemetry), properties: sectionOf(properties) };
  if (title.trim()) made['title'] = title.trim();
  else delete made['title'];
  for (const [name, section] of Object.entries(sections)) {
    if (Object.keys(section).length > 0) made[name] = section;
    else delete made[name];
  }
  return made;
}

export const valuesText = (type: Schemas['TypeView']): string =>
  Object.entries(type.telemetry)
    .map(([name, field]) => (field.unit ? `${name} (${unitText(field.unit)})` : name))
    .join(', ');
