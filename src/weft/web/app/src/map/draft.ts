// What is being drawn: a fence's or a route's points, whatever put them there (the mouse, a
// finger, or a form). A draft becomes GeoJSON as the API takes it.
import { circleRing, corridorRing, distanceOf, type Position } from './shapes';

export type Shape = 'polygon' | 'circle' | 'corridor' | 'route';

export interface Draft {
  shape: Shape;
  points: Position[];
  /** Metres; of a circle or a corridor. */
  radius: number;
}

export const LEAST: Record<Shape, number> = { polygon: 3, circle: 1, corridor: 2, route: 2 };

/** Whether it could be saved. */
export const isWhole = (draft: Draft): boolean => draft.points.length >= LEAST[draft.shape];

/** The draft with another point; a circle's second one says how wide it is. */
export function withPoint(draft: Draft, at: Position): Draft {
  const [middle] = draft.points;
  if (draft.shape === 'circle' && middle !== undefined) {
    return { ...draft, radius: Math.max(1, Math.round(distanceOf(middle, at))) };
  }
  return { ...draft, points: [...draft.points, at] };
}

export function withMoved(draft: Draft, index: number, at: Position): Draft {
  return { ...draft, points: draft.points.map((one, place) => (place === index ? at : one)) };
}

export function withoutPoint(draft: Draft, index = draft.points.length - 1): Draft {
  return { ...draft, points: draft.points.filter((_, place) => place !== index) };
}

type Geometry = { type: string; coordinates: unknown };

/** The geometry as the API keeps it. */
export function geometryOf(draft: Draft): Geometry {
  const [first] = draft.points;
  if (draft.shape === 'circle') return { type: 'Point', coordinates: first };
  if (draft.shape === 'polygon') return { type: 'Polygon', coordinates: [[...draft.points, first]] };
  return { type: 'LineString', coordinates: draft.points };
}

/** A draft of a geometry; null where it has holes or parts, which are not drawn by hand. */
export function draftOf(geometry: Geometry, radius: number | null | undefined): Draft | null {
  const metres = radius ?? 200;
  if (geometry.type === 'Point') return { shape: 'circle', points: [geometry.coordinates as Position], radius: metres };
  if (geometry.type === 'LineString') {
    return { shape: radius == null ? 'route' : 'corridor', points: geometry.coordinates as Position[], radius: metres };
  }
  const rings = geometry.coordinates as Position[][];
  if (geometry.type !== 'Polygon' || rings.length !== 1) return null;
  return { shape: 'polygon', points: (rings[0] as Position[]).slice(0, -1), radius: metres };
}

/** The area that a fence covers, to be drawn. */
export function areaOf(geometry: Geometry, radius: number | null | undefined): Geometry {
  if (geometry.type === 'Point') {
    return { type: 'Polygon', coordinates: [circleRing(geometry.coordinates as Position, radius ?? 0)] };
  }
  if (geometry.type === 'LineString' && radius != null) {
    return { type: 'Polygon', coordinates: [corridorRing(geometry.coordinates as Position[], radius)] };
  }
  return geometry;
}
