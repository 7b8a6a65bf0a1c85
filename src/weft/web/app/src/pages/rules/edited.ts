// What the editor of a rule edits: all of its document but whether the rule is on.
//
// A document may say `enabled`, as its rule was when it was written. The rule may have been
// switched since, and saving a corrected message must not switch it back: where a document does
// not say so, the server keeps the state.

/** The same, whatever the order of what it says; what is empty is left out when it is saved. */
const written = (document: unknown): string =>
  JSON.stringify(document, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).filter(([, one]) => one !== '').sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );

/** Whether two documents say the same. */
export const isSame = (one: object, other: object): boolean => written(one) === written(other);

/** The document without the state of its rule. */
export function editedOf(document: object): Record<string, unknown> {
  const { enabled: _state, ...rest } = document as Record<string, unknown>;
  return rest;
}
