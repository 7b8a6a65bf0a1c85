// The shape of a schema as people read it: a field a line, what is not required with a `?`.
import type { Schema } from './openapi';

const DEEP = 4;
type Schemas = Record<string, Schema>;

const nameOf = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1);

export function outlineOf(schema: Schema, schemas: Schemas): string {
  return shapeOf(schema, schemas, '', []);
}

function shapeOf(schema: Schema, schemas: Schemas, indent: string, within: readonly string[]): string {
  if (schema.$ref) {
    const name = nameOf(schema.$ref);
    const held = schemas[name];
    // What holds itself, and what is deep, is named.
    if (!held || within.includes(name) || within.length >= DEEP) return name;
    return shapeOf(held, schemas, indent, [...within, name]);
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((one) => shapeOf(one, schemas, indent, within)).join(' | ');
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.items) return `[${shapeOf(schema.items, schemas, indent, within)}]`;
  if (schema.properties) return fieldsOf(schema, schemas, indent, within);
  if (typeof schema.additionalProperties === 'object') return `{name: ${shapeOf(schema.additionalProperties, schemas, indent, within)}}`;
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : (schema.type ?? 'any');
  return schema.format ? `${type} (${schema.format})` : type;
}

function fieldsOf(schema: Schema, schemas: Schemas, indent: string, within: readonly string[]): string {
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).map(([name, one]) => {
    const mark = schema.required?.includes(name) ? '' : '?';
    const note = one.description ? `  // ${one.description.replace(/\s+/g, ' ')}` : '';
    return `${inner}${name}${mark}: ${shapeOf(one, schemas, inner, within)}${note}`;
  });
  return lines.length ? `{\n${lines.join('\n')}\n${indent}}` : '{}';
}
