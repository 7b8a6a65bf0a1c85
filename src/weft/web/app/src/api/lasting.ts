// Attachments that last: none ends in the future, so those that hold at a moment to come are those
// that hold now, whatever this machine's clock says.
const AHEAD_MS = 7 * 86_400_000;

/** A moment to come, for `at`. */
export const toCome = (): string => new Date(Date.now() + AHEAD_MS).toISOString();

/** What a person has entered as a moment of their own zone; nothing where it is left empty. */
export const momentOf = (entered: string): string | null => (entered ? new Date(entered).toISOString() : null);
