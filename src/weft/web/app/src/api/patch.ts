// Changing what somebody else may be changing too: only what a person has touched is sent, and what
// others have done meanwhile is laid under it. Names are anybody's, as `constructor` or `__proto__`.

type Plain = Record<string, unknown>;
const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value);
const plainOf = (held: Plain, name: string): Plain => {
  const value = Object.hasOwn(held, name) ? held[name] : undefined;
  return isPlain(value) ? value : {};
};
const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The merge patch that makes `before` into `after` (RFC 7396); what is gone becomes null. */
export function patchOf(before: Plain, after: Plain): Plain {
  const parts: [string, unknown][] = Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => [name, null]);
  for (const [name, value] of Object.entries(after)) {
    const held = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isPlain(value)) {
      const inner = patchOf(plainOf(before, name), value);
      if (!isPlain(held) || Object.keys(inner).length > 0) parts.push([name, inner]);
    } else if (!isSame(held, value)) parts.push([name, value]);
  }
  return Object.fromEntries(parts);
}

/** What a merge patch makes of `held`. */
export function merged(held: Plain, patch: Plain): Plain {
  const kept = Object.entries(held).filter(([name]) => !Object.hasOwn(patch, name));
  const fresh = Object.entries(patch).filter(([, value]) => value !== null);
  return Object.fromEntries([...kept, ...fresh.map(([name, value]): [string, unknown] => [name, isPlain(value) ? merged(plainOf(held, name), value) : value])]);
}

/** Whether a merge patch cannot say it: in one, null takes a name away and is no value. */
export function holdsNull(value: unknown): boolean {
  return isPlain(value) && Object.values(value).some((one) => one === null || holdsNull(one));
}

/** Those fields that differ from what was read, as they are written now. */
export function touched<T extends object>(before: T, written: T): Partial<T> {
  const names = (Object.keys(written) as (keyof T)[]).filter((name) => !isSame(before[name], written[name]));
  return Object.fromEntries(names.map((name) => [name, written[name]])) as Partial<T>;
}
