// A map as the pages use it: what it shows is given as features, what people do on it comes back.
// Sources are given to MapLibre's worker at most so often as it can take them, the newest only:
// the main thread hands over a thousand marks in about a millisecond, and draws.
import type { Feature } from 'geojson';
import type { GeoJSONSource, LayerSpecification, Map as Base, MapMouseEvent, MapTouchEvent } from 'maplibre-gl';
import { geometryOf, areaOf, isWhole, type Draft } from './draft';
import { layersOf, SOURCES, type SourceName } from './layers';
import { loadLibrary, trustWorker } from './library';
import { findOwn, ownLayers, ownStyle } from './own';
import type { Palette } from './palette';
import type { Bounds, Position } from './shapes';
import { ATTRIBUTION, worldLayers, worldStyle } from './style';

const PAUSE_MS = 200; // between two versions of a source
const NEAR_PX = 14; // of a finger's tip from what it means
const PICKED = ['device', 'cluster', 'excursion-point', 'stop', 'fence-area', 'route-line'];

export interface Seen {
  bounds: Bounds;
  zoom: number;
  middle: Position;
}

export interface Picked {
  layer: string;
  at: Position;
  properties: Record<string, unknown>;
}

export interface Handlers {
  /** The view has come to rest. */
  onSeen: (seen: Seen) => void;
  /** Something was clicked; null for the map itself. */
  onPick: (picked: Picked | null, at: Position) => void;
  /** A point of the draft was dragged. */
  onDrag: (index: number, at: Position) => void;
}

export class MapView {
  #map: Base;
  #waiting = new Map<SourceName, Feature[]>();
  #busy = new Set<SourceName>();
  #drawing = false;
  #gone = false;

  private constructor(
    map: Base,
    private readonly handlers: Handlers,
    private readonly ground: (palette: Palette) => LayerSpecification[],
    /** Whose data the map is made of. */
    readonly sources: string,
  ) {
    this.#map = map;
  }

  /** Make a map in an element; it is ready when its style is. Raise where WebGL is not to be had. */
  static async open(container: HTMLElement, palette: Palette, handlers: Handlers, start: { center: Position; zoom: number }): Promise<MapView> {
    trustWorker();
    const library = await loadLibrary();
    const own = await findOwn(library);
    const map = new library.Map({
      container,
      style: own === null ? worldStyle(palette) : ownStyle(own, palette),
      center: start.center,
      zoom: start.zoom,
      attributionControl: false, // ours is a line of text below the map
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      maxPitch: 0,
      fadeDuration: 0,
      renderWorldCopies: true,
      validateStyle: import.meta.env.DEV,
    });
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    const ground = (painted: Palette): LayerSpecification[] => (own === null ? worldLayers(painted) : ownLayers(own, painted));
    const view = new MapView(map, handlers, ground, own === null ? ATTRIBUTION : `${own.attribution} · MapLibre`.replace(/^ · /, ''));
    await new Promise<void>((done, fail) => {
      map.once('style.load', () => done());
      map.once('error', (event) => fail(event.error));
    });
    view.#furnish(palette);
    return view;
  }

  #furnish(palette: Palette): void {
    const map = this.#map;
    for (const name of SOURCES) {
      map.addSource(name, { type: 'geojson', data: { type: 'FeatureCollection', features: [] }, maxzoom: 18, tolerance: name === 'fleet' ? 0 : 0.3 });
    }
    for (const layer of layersOf(palette)) map.addLayer(layer);
    map.on('moveend', () => this.handlers.onSeen(this.seen()));
    map.on('click', (event) => this.#clicked(event));
    map.on('mousedown', 'draft-point', (event) => this.#grab(event, 'mousemove', 'mouseup'));
    map.on('touchstart', 'draft-point', (event) => this.#grab(event, 'touchmove', 'touchend'));
    const canvas = map.getCanvas();
    canvas.addEventListener('webglcontextlost', (event) => event.preventDefault());
    this.handlers.onSeen(this.seen());
  }

  /** Name the canvas for those who do not see it. */
  describe(label: string): void {
    const canvas = this.#map.getCanvas();
    canvas.setAttribute('aria-label', label);
    canvas.setAttribute('role', 'application');
  }

  seen(): Seen {
    const bounds = this.#map.getBounds();
    const middle = this.#map.getCenter().wrap();
    const wide = bounds.getEast() - bounds.getWest() >= 360;
    const wrap = (longitude: number): number => ((((longitude + 180) % 360) + 360) % 360) - 180;
    return {
      bounds: [
        wide ? -180 : wrap(bounds.getWest()),
        Math.max(-90, bounds.getSouth()),
        wide ? 180 : wrap(bounds.getEast()),
        Math.min(90, bounds.getNorth()),
      ],
      zoom: this.#map.getZoom(),
      middle: [middle.lng, middle.lat],
    };
  }

  /** Show features in place of those of a source. */
  show(name: SourceName, features: Feature[]): void {
    this.#waiting.set(name, features);
    if (!this.#busy.has(name)) void this.#hand(name);
  }

  async #hand(name: SourceName): Promise<void> {
    this.#busy.add(name);
    while (!this.#gone) {
      const features = this.#waiting.get(name);
      if (features === undefined) break;
      this.#waiting.delete(name);
      const source = this.#map.getSource<GeoJSONSource>(name);
      if (source === undefined) break;
      await source.setData({ type: 'FeatureCollection', features });
      await new Promise((done) => setTimeout(done, name === 'draft' ? 16 : PAUSE_MS));
    }
    this.#busy.delete(name);
  }

  /** Show what is being drawn; null ends it. While drawing, a click is a point. */
  draw(draft: Draft | null): void {
    this.#drawing = draft !== null;
    this.#map.getContainer().classList.toggle('maplibregl-crosshair', this.#drawing);
    if (this.#drawing) this.#map.doubleClickZoom.disable();
    else this.#map.doubleClickZoom.enable();
    this.show('draft', draft === null ? [] : featuresOf(draft));
  }

  #clicked(event: MapMouseEvent): void {
    const at: Position = [event.lngLat.wrap().lng, event.lngLat.lat];
    if (this.#drawing) {
      this.handlers.onPick(null, at);
      return;
    }
    const { x, y } = event.point;
    const found = this.#map.queryRenderedFeatures(
      [
        [x - NEAR_PX, y - NEAR_PX],
        [x + NEAR_PX, y + NEAR_PX],
      ],
      { layers: PICKED },
    );
    const exact = new Set(this.#map.queryRenderedFeatures([x, y], { layers: ['fence-area'] }).map((one) => one.properties['name']));
    // Devices before areas, and an area only where the point is inside it.
    const best = PICKED.flatMap((layer) => found.filter((one) => one.layer.id === layer)).find(
      (one) => one.layer.id !== 'fence-area' || exact.has(one.properties['name']),
    );
    const place = best?.geometry.type === 'Point' ? (best.geometry.coordinates as Position) : at;
    this.handlers.onPick(best === undefined ? null : { layer: best.layer.id, at: place, properties: best.properties }, at);
  }

  #grab(event: MapMouseEvent | MapTouchEvent, moves: 'mousemove' | 'touchmove', ends: 'mouseup' | 'touchend'): void {
    const index = (event as MapMouseEvent & { features?: Feature[] }).features?.[0]?.properties?.['index'];
    if (!this.#drawing || typeof index !== 'number') return;
    event.preventDefault(); // the map stays where it is
    const move = (moved: MapMouseEvent | MapTouchEvent): void => {
      const { lng, lat } = moved.lngLat.wrap();
      this.handlers.onDrag(index, [lng, lat]);
    };
    this.#map.on(moves, move);
    this.#map.once(ends, () => this.#map.off(moves, move));
  }

  paint(palette: Palette): void {
    // Cheaper than another style, and nothing flickers.
    for (const layer of [...this.ground(palette), ...layersOf(palette)]) {
      if (this.#map.getLayer(layer.id) === undefined) continue;
      for (const [name, value] of Object.entries(layer.paint ?? {})) this.#map.setPaintProperty(layer.id, name as never, value as never);
    }
  }

  fit([west, south, east, north]: Bounds, animate = true): void {
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#map.fitBounds([west, south, east, north], { padding: 56, maxZoom: 15, animate: animate && !calm, duration: 600 });
  }

  go(center: Position, zoom?: number): void {
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#map.easeTo({ center, ...(zoom === undefined ? {} : { zoom }), animate: !calm, duration: 500 });
  }

  zoom(by: number): void {
    this.#map.zoomTo(this.#map.getZoom() + by);
  }

  close(): void {
    this.#gone = true;
    this.#map.remove();
  }
}

function featuresOf(draft: Draft): Feature[] {
  const features: Feature[] = [];
  const add = (geometry: { type: string; coordinates: unknown }, properties: Record<string, unknown> = {}): void => {
    features.push({ type: 'Feature', properties, geometry: geometry as Feature['geometry'] });
  };
  if (isWhole(draft)) add(areaOf(geometryOf(draft), draft.shape === 'route' ? null : draft.radius));
  if (draft.points.length > 1 && draft.shape !== 'circle') add({ type: 'LineString', coordinates: draft.points });
  draft.points.forEach((at, index) => add({ type: 'Point', coordinates: at }, { index }));
  return features;
}
