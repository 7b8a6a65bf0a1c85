// The plant: all facilities as a tree, and the open alarms at and below each.
import { api, readAll, type Schemas } from '../../api/client';
import { live } from '../../api/live.svelte';
import { session } from '../../api/session.svelte';

export type Asset = Schemas['AssetView'];

export interface Node {
  asset: Asset;
  title: string;
  depth: number;
  children: Node[];
  parent: Node | null;
}

const READ_MS = 400;
const ASSETS_MAX = 10_000;

export class Plant {
  roots = $state.raw<Node[]>([]);
  nodes = $state.raw<ReadonlyMap<string, Node>>(new Map());
  /** Open alarms of each facility itself. */
  own = $state.raw<ReadonlyMap<string, Schemas['AlarmView'][]>>(new Map());
  known = $state(false);
  failed = $state<unknown>();
  /** Open alarms at each facility and below it. */
  readonly alarms = $derived.by(() => {
    const counts = new Map<string, number>();
    for (const [name, alarms] of this.own) {
      for (let node = this.nodes.get(name) ?? null; node !== null; node = node.parent) {
        counts.set(node.asset.asset_id, (counts.get(node.asset.asset_id) ?? 0) + alarms.length);
      }
    }
    return counts;
  });
  #reading: ReturnType<typeof setTimeout> | undefined;

  start(): () => void {
    void this.read();
    const leave = live.watch({ kinds: ['asset', 'alarm'], on: () => this.#soon(), again: () => this.read() });
    return () => {
      leave();
      clearTimeout(this.#reading);
    };
  }

  #soon(): void {
    clearTimeout(this.#reading);
    this.#reading = setTimeout(() => void this.read(), READ_MS);
  }

  async read(): Promise<void> {
    try {
      const [assets, alarms] = await Promise.all([
        readAll((cursor) => api.get('/assets', { query: { limit: 1000, cursor } }), ASSETS_MAX),
        session.may('alarm.read') ? readAll((cursor) => api.get('/alarms', { query: { open: true, limit: 500, cursor } }), 2000) : [],
      ]);
      this.#grow(assets);
      const own = new Map<string, Schemas['AlarmView'][]>();
      for (const alarm of alarms) {
        const name = alarm.asset_id ?? alarm.asset;
        if (name) own.set(name, [...(own.get(name) ?? []), alarm]);
      }
      this.own = own;
      this.failed = undefined;
    } catch (error) {
      this.failed = error;
    }
    this.known = true;
  }

  #grow(assets: Asset[]): void {
    const nodes = new Map(assets.map((asset): [string, Node] => [asset.asset_id, { asset, title: asset.label || asset.asset_id, depth: 0, children: [], parent: null }]));
    const roots: Node[] = [];
    for (const node of nodes.values()) {
      const parent = node.asset.parent === null ? undefined : nodes.get(node.asset.parent);
      if (parent === undefined) roots.push(node);
      else {
        node.parent = parent;
        parent.children.push(node);
      }
    }
    const settle = (some: Node[], depth: number): void => {
      some.sort((a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }));
      for (const node of some) {
        node.depth = depth;
        settle(node.children, depth + 1);
      }
    };
    settle(roots, 0);
    this.nodes = nodes;
    this.roots = roots;
  }
}

/** A facility and all below it. */
export function below(node: Node): Node[] {
  return [node, ...node.children.flatMap(below)];
}

/** How a facility stands in its tree, as `Plant Bremen › Line 1`. */
export function pathOf(node: Node): string {
  return node.parent === null ? node.title : `${pathOf(node.parent)} › ${node.title}`;
}
