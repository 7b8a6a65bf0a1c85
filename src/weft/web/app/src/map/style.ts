// The style of the bundled map: water, land, borders and names, in the palette of the theme.
import type { LayerSpecification, StyleSpecification } from 'maplibre-gl';
import bordersUrl from 'virtual:world/borders';
import landUrl from 'virtual:world/land';
import namesUrl from 'virtual:world/names';
import type { Palette } from './palette';

const FONT = ['system-ui', 'sans-serif']; // drawn by the browser: no glyphs are fetched
export const ATTRIBUTION = 'Map: Natural Earth · Towns: GeoNames, CC BY 4.0 · MapLibre';

const absolute = (url: string): string => new URL(url, window.location.href).href;

/** Its layers, in a palette. */
export function worldLayers(palette: Palette): LayerSpecification[] {
  const text = { 'text-color': palette.text, 'text-halo-color': palette.halo, 'text-halo-width': 1.2 };
  return [
    { id: 'water', type: 'background', paint: { 'background-color': palette.water } },
    { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': palette.land } },
    { id: 'coast', type: 'line', source: 'land', paint: { 'line-color': palette.border, 'line-width': 0.6 } },
    {
      id: 'borders',
      type: 'line',
      source: 'borders',
      paint: { 'line-color': palette.border, 'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 8, 1.2], 'line-dasharray': [3, 2] },
    },
    {
      id: 'towns',
      type: 'symbol',
      source: 'names',
      minzoom: 3,
      filter: ['all', ['has', 'town'], ['<=', ['get', 'from'], ['zoom']]],
      layout: {
        'text-field': ['concat', '• ', ['get', 'town']],
        'text-font': FONT,
        'text-size': ['interpolate', ['linear'], ['zoom'], 3, 10, 10, 14],
        'text-anchor': 'left',
        'text-padding': 6,
        'symbol-sort-key': ['get', 'order'],
      },
      paint: text,
    },
    {
      id: 'countries',
      type: 'symbol',
      source: 'names',
      maxzoom: 8,
      filter: ['all', ['has', 'country'], ['<=', ['get', 'from'], ['zoom']]],
      layout: {
        'text-field': ['get', 'country'],
        'text-font': FONT,
        'text-size': ['interpolate', ['linear'], ['zoom'], 1, 10, 6, 16],
        'text-letter-spacing': 0.06,
        'text-max-width': 7,
      },
      paint: text,
    },
  ];
}

/** The style of the map below what is shown on it. */
export function worldStyle(palette: Palette): StyleSpecification {
  const source = (url: string, tolerance = 0.375) => ({ type: 'geojson' as const, data: absolute(url), tolerance, maxzoom: 10 });
  return {
    version: 8,
    sources: { land: source(landUrl), borders: source(bordersUrl), names: source(namesUrl, 0) },
    layers: worldLayers(palette),
  };
}
