// What is being drawn or changed: the draft on the map and what the form beside it says are one
// thing, so that whoever types sees it move and whoever draws can read it.
import { draftOf, isWhole, LEAST, withPoint, withMoved, withoutPoint, type Draft, type Shape } from '../../map/draft';
import { readPlaces, written, type Position } from '../../map/shapes';
import { map as text } from '../../texts/en/map';
import type { Fence, Places, Route, Stop } from './places.svelte';

const RADIUS_M = 200;
/** To a decimetre, as finely as anybody points. */
const rounded = ([x, y]: Position): Position => [Math.round(x * 1e6) / 1e6, Math.round(y * 1e6) / 1e6];

export class Editor {
  draft = $state.raw<Draft>({ shape: 'polygon', points: [], radius: RADIUS_M });
  name = $state('');
  label = $state('');
  stops = $state<(Stop & { place: string })[]>([]);
  /** The draft's points as they are typed. */
  typed = $state('');
  wrong = $state('');
  /** What it is called on the server; empty for a new one. */
  readonly original: string;
  #version: string | undefined;
  #kept = '';

  private constructor(readonly kind: 'fence' | 'route', shape: Shape, original: string, version: string | undefined) {
    this.original = original;
    this.name = original;
    this.#version = version;
    this.draft = { shape, points: [], radius: RADIUS_M };
    this.#kept = this.#held();
  }

  /** Whether something has been drawn or typed that is not saved. */
  get changed(): boolean {
    return this.#held() !== this.#kept;
  }

  #held(): string {
    const { shape, points, radius } = this.draft;
    // Of a shape without points nothing would be lost but its choice.
    return JSON.stringify([this.name, this.label, this.typed, this.stops, points.length > 0 ? [shape, points, radius] : []]);
  }

  static fresh(kind: 'fence' | 'route'): Editor {
    return new Editor(kind, kind === 'fence' ? 'polygon' : 'route', '', undefined);
  }

  /** Take up a fence; null where it is not drawn by hand. */
  static ofFence(fence: Fence, version: string | undefined): Editor | null {
    const draft = draftOf(fence.geometry, fence.radius);
    if (draft === null) return null;
    const editor = new Editor('fence', draft.shape, fence.name, version);
    editor.label = fence.label;
    editor.put(draft);
    editor.#kept = editor.#held();
    return editor;
  }

  static ofRoute(route: Route, version: string | undefined): Editor {
    const editor = new Editor('route', 'route', route.name, version);
    editor.label = route.label;
    editor.stops = route.stops.map((stop) => ({ ...stop, place: written(stop.at) }));
    editor.put({ shape: 'route', points: route.line, radius: RADIUS_M });
    editor.#kept = editor.#held();
    return editor;
  }

  /** The draft has changed on the map: the text says it too. */
  put(draft: Draft): void {
    this.draft = draft;
    this.typed = draft.points.map(written).join('\n');
    this.wrong = '';
  }

  /** The text has changed: the map shows it, as far as it says places. */
  type(typed: string): void {
    this.typed = typed;
    const { places, wrong } = readPlaces(typed);
    this.draft = { ...this.draft, points: this.draft.shape === 'circle' ? places.slice(0, 1) : places };
    this.wrong = wrong === null ? '' : text.editor.wrongLine(wrong);
  }

  shape(shape: Shape): void {
    this.put({ ...this.draft, shape, points: shape === 'circle' ? this.draft.points.slice(0, 1) : this.draft.points });
  }

  add(at: Position): void {
    this.put(withPoint(this.draft, rounded(at)));
  }

  move(index: number, at: Position): void {
    this.put(withMoved(this.draft, index, rounded(at)));
  }

  undo(): void {
    this.put(withoutPoint(this.draft));
  }

  addStop(at: Position): void {
    this.stops = [...this.stops, { name: '', at, place: written(at), radius: 150, arrive: 0, depart: 0, dwell: null }];
  }

  removeStop(index: number): void {
    this.stops = this.stops.filter((_, place) => place !== index);
  }

  /** What is still missing, in words; nothing when it can be saved. */
  missing(places: Places): string {
    if (this.name.trim() === '') return text.editor.noName;
    if (this.wrong) return this.wrong;
    if (!isWhole(this.draft)) return text.editor.few(LEAST[this.draft.shape]);
    const taken = this.kind === 'fence' ? places.fences : places.routes;
    if (this.original === '' && taken.some((one) => one.name === this.name.trim())) {
      return this.kind === 'fence' ? text.fences.taken : text.routes.taken;
    }
    const bad = this.stops.findIndex((stop) => stop.name.trim() === '' || readPlaces(stop.place).places.length !== 1);
    return bad < 0 ? '' : text.editor.wrongStop(bad + 1);
  }

  async save(places: Places): Promise<void> {
    const name = this.name.trim();
    if (this.kind === 'fence') {
      await places.saveFence(name, this.label, this.draft, this.#version);
      return;
    }
    const stops = this.stops.map(({ place, ...stop }) => ({ ...stop, at: readPlaces(place).places[0] ?? stop.at }));
    await places.saveRoute(name, this.label, this.draft, stops, this.#version);
  }
}
