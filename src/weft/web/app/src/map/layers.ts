// What stands on the map: sources that change, and the layers that draw them.
import type { LayerSpecification } from 'maplibre-gl';
import type { Palette } from './palette';

export const SOURCES = ['fences', 'routes', 'stops', 'trail', 'excursions', 'fleet', 'draft'] as const;
export type SourceName = (typeof SOURCES)[number];

const FONT = ['system-ui', 'sans-serif'];
const POINT: ['==', ['geometry-type'], 'Point'] = ['==', ['geometry-type'], 'Point'];
const LINE: ['==', ['geometry-type'], 'LineString'] = ['==', ['geometry-type'], 'LineString'];

function placeLayers(palette: Palette): LayerSpecification[] {
  const label = { 'text-color': palette.text, 'text-halo-color': palette.halo, 'text-halo-width': 1.5 };
  return [
    { id: 'fence-area', type: 'fill', source: 'fences', paint: { 'fill-color': palette.fence, 'fill-opacity': ['case', ['get', 'chosen'], 0.3, 0.14] } },
    { id: 'fence-edge', type: 'line', source: 'fences', paint: { 'line-color': palette.fence, 'line-width': ['case', ['get', 'chosen'], 3, 1.5] } },
    {
      id: 'fence-name',
      type: 'symbol',
      source: 'fences',
      minzoom: 5,
      layout: { 'text-field': ['get', 'title'], 'text-font': FONT, 'text-size': 12, 'text-max-width': 8 },
      paint: label,
    },
    {
      id: 'route-line',
      type: 'line',
      source: 'routes',
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': palette.route, 'line-width': ['case', ['get', 'chosen'], 5, 2.5], 'line-opacity': 0.85 },
    },
    {
      id: 'stop',
      type: 'circle',
      source: 'stops',
      minzoom: 4,
      paint: { 'circle-radius': 5, 'circle-color': palette.ring, 'circle-stroke-color': palette.route, 'circle-stroke-width': 2.5 },
    },
    {
      id: 'stop-name',
      type: 'symbol',
      source: 'stops',
      minzoom: 7,
      layout: { 'text-field': ['get', 'title'], 'text-font': FONT, 'text-size': 12, 'text-anchor': 'top', 'text-offset': [0, 0.7] },
      paint: label,
    },
  ];
}

function wayLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: 'trail-line',
      type: 'line',
      source: 'trail',
      filter: LINE,
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': palette.trail, 'line-width': 3 },
    },
    {
      id: 'trail-point',
      type: 'circle',
      source: 'trail',
      filter: POINT,
      paint: { 'circle-radius': 6, 'circle-color': palette.trail, 'circle-stroke-color': palette.ring, 'circle-stroke-width': 2 },
    },
    {
      id: 'excursion-line',
      type: 'line',
      source: 'excursions',
      filter: LINE,
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': palette.alarm, 'line-width': 3.5, 'line-dasharray': [1.5, 1.5] },
    },
    {
      id: 'excursion-point',
      type: 'circle',
      source: 'excursions',
      filter: POINT,
      paint: { 'circle-radius': 13, 'circle-color': palette.alarm, 'circle-opacity': 0.25, 'circle-stroke-color': palette.alarm, 'circle-stroke-width': 3 },
    },
  ];
}

function fleetLayers(palette: Palette): LayerSpecification[] {
  return [
    {
      id: 'cluster',
      type: 'circle',
      source: 'fleet',
      filter: ['>', ['get', 'count'], 1],
      paint: {
        'circle-color': palette.cluster,
        'circle-radius': ['interpolate', ['linear'], ['log10', ['get', 'count']], 0.3, 11, 2, 17, 4, 26],
        'circle-stroke-color': palette.ring,
        'circle-stroke-width': 2,
      },
    },
    {
      id: 'device',
      type: 'circle',
      source: 'fleet',
      filter: ['==', ['get', 'count'], 1],
      paint: {
        'circle-color': ['case', ['get', 'alarm'], palette.alarm, palette.device],
        'circle-radius': ['case', ['get', 'chosen'], 10, 6],
        'circle-stroke-color': ['case', ['get', 'chosen'], palette.text, palette.ring],
        'circle-stroke-width': ['case', ['get', 'chosen'], 3, 2],
      },
    },
    {
      id: 'cluster-count',
      type: 'symbol',
      source: 'fleet',
      filter: ['>', ['get', 'count'], 1],
      layout: { 'text-field': ['get', 'title'], 'text-font': FONT, 'text-size': 12, 'text-allow-overlap': true, 'text-ignore-placement': true },
      paint: { 'text-color': palette.clusterText },
    },
    {
      id: 'device-name',
      type: 'symbol',
      source: 'fleet',
      minzoom: 9,
      filter: ['==', ['get', 'count'], 1],
      layout: { 'text-field': ['get', 'title'], 'text-font': FONT, 'text-size': 12, 'text-anchor': 'top', 'text-offset': [0, 0.8], 'text-max-width': 12 },
      paint: { 'text-color': palette.text, 'text-halo-color': palette.halo, 'text-halo-width': 1.5 },
    },
  ];
}

function draftLayers(palette: Palette): LayerSpecification[] {
  return [
    { id: 'draft-area', type: 'fill', source: 'draft', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': palette.draft, 'fill-opacity': 0.15 } },
    {
      id: 'draft-line',
      type: 'line',
      source: 'draft',
      filter: ['!=', ['geometry-type'], 'Point'],
      paint: { 'line-color': palette.draft, 'line-width': 2.5, 'line-dasharray': [2, 1] },
    },
    {
      id: 'draft-point',
      type: 'circle',
      source: 'draft',
      filter: POINT,
      paint: { 'circle-radius': 8, 'circle-color': palette.ring, 'circle-stroke-color': palette.draft, 'circle-stroke-width': 3 },
    },
  ];
}

/** All layers above the world, the topmost last. */
export function layersOf(palette: Palette): LayerSpecification[] {
  return [...placeLayers(palette), ...wayLayers(palette), ...fleetLayers(palette), ...draftLayers(palette)];
}
