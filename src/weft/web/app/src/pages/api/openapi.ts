// The server's description of itself (OpenAPI 3.1), as the page needs it.
export interface Schema {
  $ref?: string;
  type?: string | string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  description?: string;
  default?: unknown;
  format?: string;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  description: string;
  schema: Schema;
  example: string;
}

export interface Content {
  type: string;
  schema: Schema;
  example: unknown;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  tag: string;
  /** The policy's action; empty where there is none. */
  action: string;
  parameters: Parameter[];
  bodies: Content[];
  /** Of an answer that went well. */
  answers: Content[];
  /** It answers without end. */
  stream: boolean;
}

export interface Description {
  operations: Operation[];
  schemas: Record<string, Schema>;
}

type Raw = Record<string, unknown>;
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');
const asRaw = (value: unknown): Raw => (typeof value === 'object' && value !== null ? (value as Raw) : {});
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function contentsOf(content: unknown): Content[] {
  return Object.entries(asRaw(content)).map(([type, held]) => ({ type, schema: asRaw(held)['schema'] as Schema, example: asRaw(held)['example'] }));
}

function parameterOf(given: unknown): Parameter {
  const raw = asRaw(given);
  return {
    name: asText(raw['name']),
    in: asText(raw['in']) as Parameter['in'],
    required: raw['required'] === true,
    description: asText(raw['description']),
    schema: asRaw(raw['schema']) as Schema,
    example: raw['example'] === undefined ? '' : String(raw['example']),
  };
}

function operationOf(path: string, method: string, raw: Raw): Operation {
  const good = Object.entries(asRaw(raw['responses'])).find(([status]) => status.startsWith('2'));
  const answers = contentsOf(asRaw(good?.[1])['content']);
  return {
    id: asText(raw['operationId']),
    method: method.toUpperCase(),
    path,
    summary: asText(raw['summary']),
    description: asText(raw['description']),
    tag: asText(asList(raw['tags'])[0]),
    action: asText(raw['x-weft-action']),
    parameters: asList(raw['parameters']).map(parameterOf),
    bodies: contentsOf(asRaw(raw['requestBody'])['content']),
    answers,
    stream: answers.some((one) => one.type === 'text/event-stream'),
  };
}

/** Read the description; operations stand in the order in which it lists them. */
export function readDescription(document: unknown): Description {
  const raw = asRaw(document);
  const operations = Object.entries(asRaw(raw['paths'])).flatMap(([path, methods]) =>
    Object.entries(asRaw(methods))
      .filter(([method]) => METHODS.includes(method))
      .map(([method, one]) => operationOf(path, method, asRaw(one))),
  );
  return { operations, schemas: asRaw(asRaw(raw['components'])['schemas']) as Record<string, Schema> };
}

export interface Group {
  tag: string;
  operations: Operation[];
}

/** The operations that hold all words of a search, by tag. */
export function groupsOf(operations: readonly Operation[], search: string): Group[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Operation[]>();
  for (const one of operations) {
    const text = `${one.method} ${one.path} ${one.id} ${one.summary} ${one.tag} ${one.action}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const held = groups.get(one.tag);
    if (held) held.push(one);
    else groups.set(one.tag, [one]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tag, held]) => ({ tag, operations: held }));
}
