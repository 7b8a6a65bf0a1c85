// The signed end of the audit's chain as one line that a person keeps. Its moment (ns) has more
// digits than a number here can hold, and with one digit changed it is no longer what was signed:
// so it stays text, from the server's answer to the day when it is verified against.

/** The line of an answer's text: what a verification takes, which the public key is no part of. */
export const lineOf = (answer: string): string => answer.trim().replace(/,\s*"public_key"\s*:\s*"[^"]*"/, '');

const PARTS: Record<string, string> = { sequence: 'number', hash: 'string', at: 'number', signature: 'string' };

/** The line as it was kept, or null where it is none of ours. */
export function readLine(written: string): string | null {
  try {
    const read: unknown = JSON.parse(written);
    if (typeof read !== 'object' || read === null) return null;
    const parts = Object.entries(read);
    const fits = parts.length === Object.keys(PARTS).length && parts.every(([name, value]) => PARTS[name] === typeof value);
    return fits ? written.trim() : null;
  } catch {
    return null;
  }
}
