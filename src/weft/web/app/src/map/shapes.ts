// Shapes on the map: circles and corridors as areas to draw, distances, boxes, and places as
// people type them. Longitude first, degrees, WGS 84 (RFC 7946); on paper, latitude first.
export type Position = [number, number];
export type Bounds = [west: number, south: number, east: number, north: number];

const DEGREE_M = 111_195; // of a great circle on the mean Earth
const CORNERS = 64; // of a circle: rounder than a screen shows
const radians = (degrees: number): number => (degrees * Math.PI) / 180;
/** Degrees of longitude in a metre at a latitude; near the poles as at 89 degrees. */
const across = (latitude: number): number => 1 / (DEGREE_M * Math.max(Math.cos(radians(latitude)), 0.017));

/** Metres between two places, along a great circle. */
export function distanceOf(a: Position, b: Position): number {
  const [south, north] = [radians(a[1]), radians(b[1])];
  const half = Math.sin((north - south) / 2) ** 2 + Math.cos(south) * Math.cos(north) * Math.sin(radians(b[0] - a[0]) / 2) ** 2;
  return 2 * DEGREE_M * (180 / Math.PI) * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** A circle as a ring. */
export function circleRing([longitude, latitude]: Position, radius: number): Position[] {
  const ring: Position[] = [];
  for (let corner = 0; corner <= CORNERS; corner += 1) {
    const angle = (2 * Math.PI * corner) / CORNERS;
    ring.push([longitude + Math.cos(angle) * radius * across(latitude), latitude + (Math.sin(angle) * radius) / DEGREE_M]);
  }
  return ring;
}

/** All within a radius of a line, as a ring: round at its ends and at its corners. */
export function corridorRing(line: Position[], radius: number): Position[] {
  const first = line[0];
  if (first === undefined) return [];
  const points = line.filter((at, index) => index === 0 || at[0] !== line[index - 1]?.[0] || at[1] !== line[index - 1]?.[1]);
  if (points.length < 2) return circleRing(first, radius);
  const ring = [...sideOf(points, radius), ...sideOf([...points].reverse(), radius)];
  return [...ring, ring[0] as Position];
}

function headingOf([ax, ay]: Position, [bx, by]: Position): number {
  return Math.atan2(by - ay, (bx - ax) * Math.cos(radians((ay + by) / 2)));
}

/** The right side of a line and the round end beyond its last point. */
function sideOf(points: Position[], radius: number): Position[] {
  const side: Position[] = [];
  const put = ([longitude, latitude]: Position, angle: number, metres = radius): void => {
    side.push([longitude + Math.cos(angle) * metres * across(latitude), latitude + (Math.sin(angle) * metres) / DEGREE_M]);
  };
  points.slice(0, -1).forEach((from, index) => {
    const to = points[index + 1] as Position;
    const next = points[index + 2];
    const right = headingOf(from, to) - Math.PI / 2;
    const turn = next === undefined ? Math.PI : turnOf(headingOf(to, next) - headingOf(from, to));
    if (index === 0) put(from, right);
    if (turn < 0) {
      put(to, right + turn / 2, radius / Math.max(Math.cos(turn / 2), 0.35)); // the inside of a bend
      return;
    }
    const steps = Math.max(1, Math.ceil((turn / Math.PI) * (CORNERS / 2)));
    for (let step = 0; step <= steps; step += 1) put(to, right + (turn * step) / steps);
  });
  return side;
}

/** A change of heading, between half a turn to the right and half a turn to the left. */
const turnOf = (angle: number): number => Math.atan2(Math.sin(angle), Math.cos(angle));

/** The box around places; null where there are none. */
export function boundsOf(positions: Iterable<Position>): Bounds | null {
  let found: Bounds | null = null;
  for (const [x, y] of positions) {
    found =
      found === null
        ? [x, y, x, y]
        : [Math.min(found[0], x), Math.min(found[1], y), Math.max(found[2], x), Math.max(found[3], y)];
  }
  return found;
}

/** All positions of a GeoJSON geometry. */
export function positionsOf(geometry: { coordinates?: unknown } | null | undefined): Position[] {
  const found: Position[] = [];
  const walk = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    if (typeof value[0] === 'number' && typeof value[1] === 'number') found.push([value[0], value[1]]);
    else value.forEach(walk);
  };
  walk(geometry?.coordinates);
  return found;
}

/** A place as one types and reads it: latitude, longitude. */
export const written = ([longitude, latitude]: Position): string => `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;

/** Read places, one a line, latitude first; the number of the first line that is none. */
export function readPlaces(text: string): { places: Position[]; wrong: number | null } {
  const places: Position[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const match = /^\s*([-+]?\d+(?:\.\d+)?)\s*[,;\s]\s*([-+]?\d+(?:\.\d+)?)\s*$/.exec(line);
    const [latitude, longitude] = [Number(match?.[1]), Number(match?.[2])];
    if (match === null || Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return { places, wrong: index + 1 };
    places.push([longitude, latitude]);
  }
  return { places, wrong: null };
}
