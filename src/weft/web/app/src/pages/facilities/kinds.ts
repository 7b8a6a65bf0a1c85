import type { Plant } from './plant.svelte';

// What most plants, fleets and buildings begin with, as the server knows them; any word may be one.
const KNOWN = ['site', 'area', 'building', 'room', 'line', 'machine', 'tank', 'meter', 'vehicle', 'trailer'];

/** The kinds to offer: the known ones, and those that this plant has beside them. */
export function kindsOf(plant: Plant): string[] {
  return [...new Set([...KNOWN, ...[...plant.nodes.values()].map((node) => node.asset.kind).sort()])];
}
