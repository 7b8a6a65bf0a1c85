// How programs ask for an operation: complete, with the values that were typed.
import type { Operation } from './openapi';

export interface Asked {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** The body as text; empty: none. */
  body: string;
}

/** What was typed, by parameter; a path keeps the names of what was not, to be filled in. */
export type Values = Record<string, string>;

export function pathOf(operation: Operation, values: Values): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] || name.toUpperCase()));
  const query = new URLSearchParams();
  for (const one of operation.parameters) {
    const value = values[one.name];
    if (one.in === 'query' && value) query.append(one.name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export function askedOf(operation: Operation, values: Values, body: string, type: string, origin: string): Asked {
  const headers: Record<string, string> = {};
  for (const one of operation.parameters) {
    const value = values[one.name];
    if (one.in === 'header' && value) headers[one.name] = value;
  }
  if (body && type) headers['Content-Type'] = type;
  return { method: operation.method, url: origin + pathOf(operation, values), headers, body: type ? body : '' };
}

const shell = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

export function curlOf(asked: Asked, stream: boolean): string {
  const parts = [`curl${stream ? ' -N' : ''}${asked.method === 'GET' ? '' : ` -X ${asked.method}`} ${shell(asked.url)}`, '-H "Authorization: Bearer $WEFT_TOKEN"'];
  for (const [name, value] of Object.entries(asked.headers)) parts.push(`-H ${shell(`${name}: ${value}`)}`);
  if (asked.body) parts.push(`--data-binary ${shell(asked.body)}`);
  return parts.join(' \\\n  ');
}

/** A text as a literal of Python and of JavaScript: JSON's escapes are known to both. */
const quoted = (text: string): string => JSON.stringify(text).replace(/[\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`);

function pythonValue(value: unknown, indent: string): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}    `;
  const parts = Array.isArray(value)
    ? value.map((one) => `${inner}${pythonValue(one, inner)},`)
    : Object.entries(value).map(([name, one]) => `${inner}${quoted(name)}: ${pythonValue(one, inner)},`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return parts.length ? `${open}\n${parts.join('\n')}\n${indent}${close}` : `${open}${close}`;
}

/** The body as JSON says it, or undefined where it is no JSON. */
function jsonOf(asked: Asked): unknown {
  if (!/json$/.test(asked.headers['Content-Type'] ?? '')) return undefined;
  try {
    return JSON.parse(asked.body);
  } catch {
    return undefined;
  }
}

export function pythonOf(asked: Asked, stream: boolean): string {
  const json = jsonOf(asked);
  const lines = ['import json', 'import os', 'import urllib.request', '', 'request = urllib.request.Request(', `    ${quoted(asked.url)},`, `    method=${quoted(asked.method)},`, '    headers={', `        "Authorization": f"Bearer {os.environ['WEFT_TOKEN']}",`];
  for (const [name, value] of Object.entries(asked.headers)) lines.push(`        ${quoted(name)}: ${quoted(value)},`);
  lines.push('    },');
  if (json !== undefined) lines.push(`    data=json.dumps(${pythonValue(json, '    ')}).encode(),`);
  else if (asked.body) lines.push(`    data=${quoted(asked.body)}.encode(),`);
  lines.push(')', 'with urllib.request.urlopen(request) as answer:');
  if (stream) lines.splice(0, 1), lines.push('    for line in answer:', '        print(line.decode(), end="")');
  else lines.push('    content = answer.read()', '    if "json" in answer.headers.get("Content-Type", ""):', '        print(json.dumps(json.loads(content), indent=2))', '    else:', '        print(answer.status, content.decode())');
  return lines.join('\n') + '\n';
}

export function javascriptOf(asked: Asked, stream: boolean): string {
  const json = jsonOf(asked);
  const lines = [`const answer = await fetch(${quoted(asked.url)}, {`, `  method: ${quoted(asked.method)},`, '  headers: {', '    Authorization: `Bearer ${process.env.WEFT_TOKEN}`,'];
  for (const [name, value] of Object.entries(asked.headers)) lines.push(`    ${quoted(name)}: ${quoted(value)},`);
  lines.push('  },');
  if (json !== undefined) lines.push(`  body: JSON.stringify(${JSON.stringify(json, null, 2).replaceAll('\n', '\n  ')}),`);
  else if (asked.body) lines.push(`  body: ${quoted(asked.body)},`);
  lines.push('});');
  if (stream) lines.push("for await (const part of answer.body.pipeThrough(new TextDecoderStream())) process.stdout.write(part);");
  else lines.push('console.log(answer.status, await answer.text());');
  return lines.join('\n') + '\n';
}
