// What the tabs of a device are told of the stream: for what to look, as they read it themselves.

export const KINDS = ['telemetry', 'reported', 'twin', 'property', 'command', 'connection', 'alarm', 'event'];

/** The kinds of which something has come since they were last told; after a gap, all of them. */
export type Heard = ReadonlySet<string>;
