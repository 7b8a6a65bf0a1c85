// What the last verification of the audit's chain said, for as long as somebody is signed in here:
// whoever looks at another tab and comes back need not walk the chain again.
import type { Schemas } from '../../api/client';
import { session } from '../../api/session.svelte';

export interface Verification {
  verdict: Schemas['AuditVerdict'];
  /** The chain's end then, as a line to keep; empty where it could not be read. */
  head: string;
  /** RFC 3339. */
  at: string;
  /** Whether it was held against an end that was kept elsewhere. */
  against: boolean;
}

const whose = (): string => `${session.tenant} ${session.name}`;

class Verified {
  #last = $state.raw<(Verification & { by: string }) | null>(null);

  /** The last of whoever is signed in now, if there was one. */
  get last(): Verification | null {
    return this.#last?.by === whose() ? this.#last : null;
  }

  keep(verification: Verification): void {
    this.#last = { ...verification, by: whose() };
  }
}

export const verified = new Verified();
