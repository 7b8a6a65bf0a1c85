// The units of what a device measures: as its type, or what computes a value, declares them.
import { api, Problem } from './client';
import { session } from './session.svelte';

export type Units = Record<string, string>;

const GONE = 404;

/** By key; none of a device that is gone, or whose twin the viewer may not read. */
export async function readUnits(device_id: string): Promise<Units> {
  if (!session.may('twin.read')) return {};
  try {
    const twin = await api.get('/devices/{device_id}/twin', { path: { device_id } });
    return Object.fromEntries(Object.entries(twin.telemetry).map(([key, latest]) => [key, latest.unit ?? '']));
  } catch (error) {
    if (error instanceof Problem && error.status === GONE) return {};
    throw error;
  }
}

/** The key that a name in a condition stands for: `t`, `telemetry.t` and `telemetry['t']` are one. */
export const keyOf = (name: string): string => /^telemetry(?:\.|\[')(.+?)(?:'\])?$/.exec(name)?.[1] ?? name;
