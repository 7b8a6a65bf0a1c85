// Fences, planned routes and trips as the map keeps them, and how drafts of them are saved.
import type { Feature } from 'geojson';
import { api, call, readAll, type Schemas } from '../../api/client';
import { session } from '../../api/session.svelte';
import { areaOf, geometryOf, type Draft } from '../../map/draft';
import type { Position } from '../../map/shapes';

export interface Fence {
  name: string;
  label: string;
  geometry: { type: string; coordinates: unknown };
  radius: number | null;
}

export interface Stop {
  name: string;
  at: Position;
  radius: number;
  /** Seconds since a trip's start. */
  arrive: number;
  depart: number;
  /** Seconds; null for any time. */
  dwell: number | null;
}

export interface Route {
  name: string;
  label: string;
  line: Position[];
  stops: Stop[];
}

export type Trip = Schemas['TripView'];

const ROUTES_MAX = 200; // drawn; each is read alone
const AT_ONCE = 6;

interface Written {
  type: string;
  label?: string;
  features: { geometry: { type: string; coordinates: unknown }; properties: Record<string, unknown> }[];
}

function fenceOf({ geometry, properties }: Written['features'][number]): Fence {
  return {
    name: String(properties['name']),
    label: String(properties['label'] ?? ''),
    geometry,
    radius: typeof properties['radius_m'] === 'number' ? properties['radius_m'] : null,
  };
}

function routeOf(name: string, label: string, document: Written): Route {
  const line = document.features.find((one) => one.geometry.type === 'LineString');
  const stops = document.features.filter((one) => one.geometry.type === 'Point');
  const seconds = (value: unknown): number => (typeof value === 'number' ? value : 0);
  return {
    name,
    label,
    line: (line?.geometry.coordinates ?? []) as Position[],
    stops: stops.map(({ geometry, properties }) => ({
      name: String(properties['name'] ?? ''),
      at: geometry.coordinates as Position,
      radius: seconds(properties['radius_m']) || 150,
      arrive: seconds(properties['arrive_s']),
      depart: seconds(properties['depart_s']),
      dwell: typeof properties['dwell_max_s'] === 'number' ? properties['dwell_max_s'] : null,
    })),
  };
}

export class Places {
  fences = $state.raw<Fence[]>([]);
  routes = $state.raw<Route[]>([]);
  trips = $state.raw<Trip[]>([]);
  /** Which of them have been read, or are not for whoever is here. */
  known = $state({ fences: false, routes: false });
  failed = $state<unknown>();

  async read(): Promise<void> {
    if (!session.may('place.read')) {
      this.known = { fences: true, routes: true };
      return;
    }
    this.failed = undefined;
    try {
      await Promise.all([this.readFences(), this.readRoutes(), this.readTrips()]);
    } catch (error) {
      this.failed = error;
    }
  }

  async readFences(): Promise<void> {
    const all = (await api.get('/geofence-collection', { accept: 'application/geo+json' })) as Written;
    this.fences = all.features.map(fenceOf);
    this.known.fences = true;
  }

  async readRoutes(): Promise<void> {
    const lines = await readAll((cursor) => api.get('/routes', { query: { limit: 200, cursor } }), ROUTES_MAX);
    const found: Route[] = [];
    for (let at = 0; at < lines.length; at += AT_ONCE) {
      const some = lines.slice(at, at + AT_ONCE).map(async ({ name }) => {
        const route = await api.get('/routes/{route}', { path: { route: name } });
        return routeOf(route.name, route.label, route.document as unknown as Written);
      });
      found.push(...(await Promise.all(some)));
    }
    this.routes = found;
    this.known.routes = true;
  }

  async readTrips(): Promise<void> {
    this.trips = await readAll((cursor) => api.get('/trips', { query: { limit: 500, cursor } }), 2000);
  }

  /** A fence as it is now, not as the list had it, with its version: a change overrules nobody unseen. */
  async newestFence(name: string): Promise<[Fence, string | undefined]> {
    const { data, version } = await call('get', '/geofences/{geofence}', { path: { geofence: name } });
    return [fenceOf(data.feature as unknown as Written['features'][number]), version ?? undefined];
  }

  /** The same of a route. */
  async newestRoute(name: string): Promise<[Route, string | undefined]> {
    const { data, version } = await call('get', '/routes/{route}', { path: { route: name } });
    return [routeOf(data.name, data.label, data.document as unknown as Written), version ?? undefined];
  }

  async saveFence(name: string, label: string, draft: Draft, version?: string): Promise<void> {
    const radius = draft.shape === 'polygon' ? {} : { radius_m: draft.radius };
    const body = { type: 'Feature', geometry: geometryOf(draft), properties: { label, ...radius } };
    await api.put('/geofences/{geofence}', { path: { geofence: name }, body: body as never, ifMatch: version });
    await this.readFences();
  }

  async saveRoute(name: string, label: string, draft: Draft, stops: Stop[], version?: string): Promise<void> {
    const point = (stop: Stop): object => ({
      type: 'Feature',
      geometry: { type: 'Point', coordinates: stop.at },
      properties: {
        name: stop.name,
        radius_m: stop.radius,
        arrive_s: stop.arrive,
        depart_s: stop.depart,
        ...(stop.dwell === null ? {} : { dwell_max_s: stop.dwell }),
      },
    });
    const line = { type: 'Feature', geometry: geometryOf(draft), properties: {} };
    const body = { type: 'FeatureCollection', label, features: [line, ...stops.map(point)] };
    await api.put('/routes/{route}', { path: { route: name }, body: body as never, ifMatch: version });
    await this.readRoutes();
  }

  async removeFence(name: string): Promise<void> {
    await api.delete('/geofences/{geofence}', { path: { geofence: name } });
    await this.readFences();
  }

  async removeRoute(name: string): Promise<void> {
    await api.delete('/routes/{route}', { path: { route: name } });
    await this.readRoutes();
  }

  fenceFeatures(chosen: string, hidden: string): Feature[] {
    return this.fences
      .filter((fence) => fence.name !== hidden)
      .map((fence) => ({
        type: 'Feature',
        properties: { name: fence.name, title: fence.label || fence.name, chosen: fence.name === chosen },
        geometry: areaOf(fence.geometry, fence.radius) as Feature['geometry'],
      }));
  }

  routeFeatures(chosen: string, hidden: string): { lines: Feature[]; stops: Feature[] } {
    const shown = this.routes.filter((route) => route.name !== hidden);
    return {
      lines: shown.map((route) => ({
        type: 'Feature',
        properties: { name: route.name, chosen: route.name === chosen },
        geometry: { type: 'LineString', coordinates: route.line },
      })),
      stops: shown.flatMap((route) =>
        route.stops.map((stop): Feature => ({
          type: 'Feature',
          properties: { name: route.name, title: stop.name },
          geometry: { type: 'Point', coordinates: stop.at },
        })),
      ),
    };
  }
}
