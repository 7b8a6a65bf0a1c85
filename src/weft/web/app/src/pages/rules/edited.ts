// What the editor of a rule edits: all of its document but whether the rule is on.
//
// A document may say `enabled`, as its rule was when it was written. The rule may have been
// switched since, and saving a corrected message must not switch it back: where a document does
// not say so, the server keeps the state.

/** The document without the state of its rule. */
export function editedOf(document: object): Record<string, unknown> {
  const { enabled: _state, ...rest } = document as Record<string, unknown>;
  return rest;
}
