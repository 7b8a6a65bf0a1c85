// The one table of pages. A page is a folder in src/pages with a page.ts that says where it is;
// it is found here by itself, so that two people adding pages never touch the same file.
import type { Component } from 'svelte';
import type { IconName } from './kit/icons';

export interface PageProps {
  /** What stands for the `:names` of the page's path. */
  params: Record<string, string>;
}

export interface Page {
  /** As `devices`; also the folder. */
  name: string;
  /** As `/devices` or `/devices/:device_id`. */
  path: string;
  title: string;
  /** Shown in the navigation with this icon; a page without one is reached from another. */
  icon?: IconName;
  /** The page of the navigation that it is a part of, where it has no icon. */
  parent?: string;
  /** Place in the navigation. */
  order?: number;
  /** The letter behind `g` that goes there. */
  jump?: string;
  /** It follows the address's query itself; any other page begins anew where the query is another. */
  followsQuery?: true;
  /** The policy's action without which the page is not offered. */
  needs?: string;
  // A page without parameters takes no props, so their type is left open here.
  load: () => Promise<{ default: Component<any> }>;
}

const found = import.meta.glob<{ page: Page }>('./pages/*/page.ts', { eager: true });

export const pages: Page[] = Object.values(found)
  .map((module) => module.page)
  .sort((a, b) => (a.order ?? 99) - (b.order ?? 99));

export interface Match {
  page: Page;
  params: Record<string, string>;
}

/** What a part of a path says; nothing where it is no UTF-8 (`%E0`), as when it was cut. */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Find the page of a path; one without parameters goes before one with. */
export function findPage(path: string, all: Page[] = pages): Match | null {
  const parts = path.split('/').filter(Boolean);
  let best: Match | null = null;
  for (const page of all) {
    const wanted = page.path.split('/').filter(Boolean);
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, index) => {
      const given = parts[index] ?? '';
      if (!part.startsWith(':')) return part === given;
      const name = decoded(given);
      if (name !== null) params[part.slice(1)] = name;
      return name !== null;
    });
    if (!fits) continue;
    if (best === null || Object.keys(params).length < Object.keys(best.params).length) {
      best = { page, params };
    }
  }
  return best;
}
