// The commands of a device type as rows of a form, and back; notes beside the fields stay as they were.
import { onboarding } from '../../texts/en/onboarding';
import { faultOf, nextId, rowsOf, sectionOf, type Document, type Row } from './fields';

export interface CommandRow {
  id: number;
  name: string;
  input: Row[];
  output: Row[];
  /** Title and description, which have no place in the form. */
  rest: Document;
}

const NOTES = ['title', 'description'];
const OUTPUT = 'output';

export const newCommand = (): CommandRow => ({ id: nextId(), name: '', input: [], output: [], rest: {} });

const isGroup = (value: unknown): value is Document => typeof value === 'object' && value !== null && !Array.isArray(value);

/** As Weft reads it: a group of fields; a field of that name has a type. */
const isOutput = (value: unknown): value is Document => isGroup(value) && Object.keys(value).length > 0 && typeof value['type'] !== 'string';

export function commandsOf(section: unknown): CommandRow[] {
  if (!isGroup(section)) return [];
  return Object.entries(section).map(([name, entry]) => {
    const words = isGroup(entry) ? entry : {};
    const notes = NOTES.filter((word) => typeof words[word] === 'string');
    const output = isOutput(words[OUTPUT]) ? words[OUTPUT] : {};
    const fields = Object.entries(words).filter(([word]) => !notes.includes(word) && !(word === OUTPUT && isOutput(words[OUTPUT])));
    return { ...newCommand(), name, input: rowsOf(Object.fromEntries(fields)), output: rowsOf(output), rest: Object.fromEntries(notes.map((word) => [word, words[word]])) };
  });
}

/** The document with these commands; without any the section is left out. */
export function withCommands(document: Document, commands: readonly CommandRow[]): Document {
  const named = commands.filter((row) => row.name.trim() !== '');
  const made = { ...document };
  delete made['commands'];
  if (named.length === 0) return made;
  const section = named.map((row) => {
    const output = sectionOf(row.output);
    return [row.name.trim(), { ...row.rest, ...sectionOf(row.input), ...(Object.keys(output).length > 0 ? { [OUTPUT]: output } : {}) }];
  });
  return { ...document, commands: Object.fromEntries(section) };
}

/** What is wrong with the rows before anybody is asked; empty for nothing. */
export function commandFaultOf(commands: readonly CommandRow[]): string {
  for (const row of commands) {
    const fault = faultOf(row.input) || faultOf(row.output);
    if (fault) return fault;
    if (row.output.some((one) => one.name.trim()) && row.input.some((one) => one.name.trim() === OUTPUT)) return onboarding.types.twice(OUTPUT);
  }
  return faultOf(commands);
}
