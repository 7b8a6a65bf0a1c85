// How a claim stands, and how long it is good.
import type { Schemas } from '../../api/client';

export type ClaimState = 'live' | 'used' | 'early' | 'over' | 'revoked';

/** What keeps a claim from letting one more device in; `live` where nothing does. */
export function stateOf(claim: Pick<Schemas['ClaimView'], 'revoked_at' | 'start' | 'end' | 'used' | 'count'>, nowMs: number): ClaimState {
  if (claim.revoked_at) return 'revoked';
  if (nowMs >= Date.parse(claim.end)) return 'over';
  if (claim.used >= claim.count) return 'used';
  return nowMs < Date.parse(claim.start) ? 'early' : 'live';
}

/** The networks of a field of text, without empty ones. */
export const networksOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

/** When a claim ends that is good for so many days from now, as RFC 3339. */
export const endAfter = (days: number, nowMs: number): string => new Date(nowMs + days * 86_400_000).toISOString();
