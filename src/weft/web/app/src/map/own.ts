// A map of one's own: the archive that `web.map_file` names, if there is one, read in parts. What
// is in it is drawn by the names of its layers (Protomaps' and OpenMapTiles' are known; others are
// drawn as lines), in our palette; pictures are drawn as they are.
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl';
import type { MapLibre } from './library';
import type { Palette } from './palette';

const ADDRESS = '/web/map.pmtiles';
const FONT = ['system-ui', 'sans-serif'];
const VECTOR = 1; // PMTiles 3, section 3: the type of its tiles

type Look = 'area' | 'water' | 'green' | 'building' | 'road' | 'border' | 'place';
const LOOKS: Record<string, Look> = {
  earth: 'area', land: 'area',
  water: 'water', ocean: 'water', waterway: 'water', physical_line: 'water',
  landuse: 'green', landcover: 'green', park: 'green', natural: 'green',
  building: 'building', buildings: 'building',
  roads: 'road', transportation: 'road', road: 'road', transit: 'road',
  boundaries: 'border', boundary: 'border',
  places: 'place', place: 'place', city: 'place',
};

interface Known {
  vector: boolean;
  layers: string[];
  attribution: string;
}

let known: Promise<Known | null> | null = null;

/** What the archive has; null where none is configured. */
export function findOwn(library: typeof MapLibre): Promise<Known | null> {
  known ??= (async () => {
    const asked = await fetch(ADDRESS, { method: 'HEAD' });
    if (asked.status !== 200 || asked.headers.get('accept-ranges') !== 'bytes') return null;
    const { PMTiles, Protocol } = await import('pmtiles');
    const archive = new PMTiles(new URL(ADDRESS, window.location.href).href);
    const protocol = new Protocol();
    protocol.add(archive);
    library.addProtocol('pmtiles', protocol.tile);
    const [header, metadata] = await Promise.all([archive.getHeader(), archive.getMetadata()]);
    const said = metadata as { vector_layers?: { id: string }[]; attribution?: string };
    return { vector: header.tileType === VECTOR, layers: (said.vector_layers ?? []).map((one) => one.id), attribution: textOf(said.attribution ?? '') };
  })();
  return known;
}

/** Attributions are often markup: what it says is shown, as text. */
const textOf = (markup: string): string => markup.replace(/<[^>]*>/g, ' ').replace(/&copy;/g, '©').replace(/\s+/g, ' ').trim();

function layerOf(name: string, palette: Palette): LayerSpecification {
  const base = { id: `own-${name}`, source: 'own', 'source-layer': name };
  const look = LOOKS[name];
  if (look === 'area') return { ...base, type: 'fill', paint: { 'fill-color': palette.land } };
  if (look === 'water') return { ...base, type: 'fill', paint: { 'fill-color': palette.water } };
  if (look === 'green') return { ...base, type: 'fill', paint: { 'fill-color': palette.halo, 'fill-opacity': 0.6 } };
  if (look === 'building') return { ...base, type: 'fill', minzoom: 13, paint: { 'fill-color': palette.border, 'fill-opacity': 0.35 } };
  if (look === 'place') {
    return {
      ...base,
      type: 'symbol',
      layout: { 'text-field': ['coalesce', ['get', 'name:en'], ['get', 'name'], ''], 'text-font': FONT, 'text-size': 12, 'text-max-width': 7 },
      paint: { 'text-color': palette.text, 'text-halo-color': palette.halo, 'text-halo-width': 1.4 },
    };
  }
  const width = look === 'road' ? 1.1 : 0.8;
  return { ...base, type: 'line', paint: { 'line-color': palette.border, 'line-width': ['interpolate', ['linear'], ['zoom'], 6, width / 2, 16, width * 4] } };
}

/** The layers of the archive: areas below, then lines, names above all. */
export function ownLayers(own: Known, palette: Palette): LayerSpecification[] {
  const hasLand = own.layers.some((name) => LOOKS[name] === 'area');
  // Where it knows no land, all that is no water is land.
  const ground: LayerSpecification = { id: 'water', type: 'background', paint: { 'background-color': hasLand ? palette.water : palette.land } };
  if (!own.vector) return [ground, { id: 'own', type: 'raster', source: 'own' }];
  const rank = (layer: LayerSpecification): number => ['fill', 'line', 'symbol'].indexOf(layer.type);
  return [ground, ...own.layers.map((name) => layerOf(name, palette)).sort((a, b) => rank(a) - rank(b))];
}

/** The style of the archive in our palette. */
export function ownStyle(own: Known, palette: Palette): StyleSpecification {
  const url = `pmtiles://${new URL(ADDRESS, window.location.href).href}`;
  return {
    version: 8,
    sources: { own: own.vector ? { type: 'vector', url } : { type: 'raster', url, tileSize: 256 } },
    layers: ownLayers(own, palette),
  };
}
