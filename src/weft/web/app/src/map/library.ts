// MapLibre, loaded when the first map is asked for, under our content security policy: its worker
// is a file of ours (a page's own default would do as well, were it not for Trusted Types), and
// fonts are the system's, so that no glyph is ever fetched.
import type * as MapLibre from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';

export type { MapLibre };

let loading: Promise<typeof MapLibre> | null = null;

/** The library, ready to make maps. */
export function loadLibrary(): Promise<typeof MapLibre> {
  loading ??= (async () => {
    const library = await import('maplibre-gl');
    library.setWorkerUrl(new URL(workerUrl, window.location.href).href);
    return library;
  })();
  return loading;
}

interface Policies {
  defaultPolicy: unknown;
  createPolicy: (name: string, rules: { createScriptURL: (url: string) => string | null }) => unknown;
}

/**
 * Allow the one worker that the map needs; every other script address stays forbidden
 * (`require-trusted-types-for 'script'`). Browsers without Trusted Types need nothing.
 */
export function trustWorker(): void {
  const policies = (window as unknown as { trustedTypes?: Policies }).trustedTypes;
  if (policies === undefined || policies.defaultPolicy != null) return;
  const own = new URL(workerUrl, window.location.href).href;
  policies.createPolicy('default', { createScriptURL: (url) => (url === own ? url : null) });
}
