// Files of devices as the API takes them, and the reports that come back.
import { onboarding } from '../../texts/en/onboarding';

const text = onboarding.import;

export interface Rows {
  content: string;
  type: 'text/csv' | 'application/x-ndjson';
}

export interface ReportRow {
  line: number;
  device_id: string;
  outcome: string;
  column?: string;
  detail?: string;
  remedy?: string;
  token?: string;
}

/** Read a file as rows; a JSON list becomes one object a line. Raises what is wrong with it. */
export function rowsOf(name: string, content: string): Rows {
  const start = content.replace(/^\ufeff/, '').trimStart();
  if (start.startsWith('[')) {
    let list: unknown;
    try {
      list = JSON.parse(start);
    } catch (error) {
      throw new Error(text.notJson(error instanceof Error ? error.message : String(error)));
    }
    if (!Array.isArray(list)) throw new Error(text.notRows);
    return { content: list.map((row) => JSON.stringify(row)).join('\n') + '\n', type: 'application/x-ndjson' };
  }
  if (start.startsWith('{')) return { content, type: 'application/x-ndjson' };
  if (/\.(json|ndjson|jsonl)$/i.test(name)) throw new Error(text.notRows);
  return { content, type: 'text/csv' };
}

export function reportOf(lines: string): ReportRow[] {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as ReportRow);
}

const COLUMNS = ['line', 'device_id', 'outcome', 'column', 'detail', 'remedy', 'token'] as const;

/** The report as a file for a spreadsheet, which runs no cell of it as a formula. */
export function csvOf(rows: ReportRow[]): string {
  const cell = (value: unknown): string => {
    const plain = String(value ?? '');
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\n\r']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((name) => cell(row[name])).join(','))].join('\r\n') + '\r\n';
}
