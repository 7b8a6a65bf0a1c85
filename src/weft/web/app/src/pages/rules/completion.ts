// What may be written at a place in a condition.
import type { Schemas } from '../../api/client';

export interface Completion {
  /** What is put in. */
  insert: string;
  label: string;
  /** Signature, type and unit. */
  detail: string;
  doc: string;
}

const MOST = 8;
const WORD = /[A-Za-z_][A-Za-z0-9_.]*$/;

/** The word that is being written in front of a place. */
export function wordBefore(source: string, at: number): string {
  return WORD.exec(source.slice(0, at))?.[0] ?? '';
}

/** Whether a place stands within a text of the language, where nothing is completed. */
export function inText(source: string, at: number): boolean {
  let quote = '';
  for (let index = 0; index < at; index++) {
    const one = source[index];
    if (quote) {
      if (one === '\\') index++;
      else if (one === quote) quote = '';
    } else if (one === '"' || one === "'") quote = one;
  }
  return quote !== '';
}

export function completionsAt(words: Schemas['WordsView'] | undefined, source: string, at: number): Completion[] {
  const word = wordBefore(source, at).toLowerCase();
  if (!words || word === '' || inText(source, at)) return [];
  const all: Completion[] = [
    ...words.names.map((one) => ({
      insert: one.name,
      label: one.name,
      detail: [one.type, one.unit && `[${one.unit}]`, one.source].filter(Boolean).join(' '),
      doc: one.description,
    })),
    ...words.functions.map((one) => ({
      insert: `${one.name.split('.').pop() ?? one.name}(`,
      label: one.signature,
      detail: one.gives,
      doc: one.doc,
    })),
  ];
  const begins = all.filter((one) => one.insert.toLowerCase().startsWith(word) && one.insert.toLowerCase() !== word);
  const within = all.filter((one) => !begins.includes(one) && one.insert.toLowerCase().includes(word) && word.length > 1 && one.insert.toLowerCase() !== word);
  return [...begins, ...within].slice(0, MOST);
}
