// What charts show: `node test/charts.mjs`, from tests/web/test_scripts.py.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'vite';

const kept = new Map();
const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) };
Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const load = (path) => server.ssrLoadModule(`/src/${path}`);
const { aloneIn, curveOf, together } = await load('kit/curves.ts');
const { bandsAt, moved, scaled, stopsOf } = await load('kit/chart.ts');
const { unitText } = await load('kit/numbers.ts');
const { drawable } = await load('pages/device/history.ts');
const { bandOf, table } = await load('pages/alarms/samples.ts');
const { keyOf } = await load('api/units.ts');
await server.close();

test('a sample to which no line goes stands alone', () => {
  assert.deepEqual(aloneIn([7]), [0]);
  assert.deepEqual(aloneIn([1, 2, 3]), []);
  assert.deepEqual(aloneIn([1, null, 2, 3, null, 4]), [0, 5]);
  assert.deepEqual(aloneIn([undefined, 1, undefined, 2, undefined]), []); // joined over others' moments
  assert.deepEqual(aloneIn([undefined, 1, undefined, null, undefined, 2]), [1, 5]);
  assert.deepEqual(aloneIn([]), []);
});

test('values that come at different moments join over each other, and gaps stay gaps', () => {
  const fast = curveOf([0, 1, 2, 3, 60, 61].map((at) => ({ at, value: at })));
  const slow = curveOf([0.5, 2.5].map((at) => ({ at, value: 9 })));
  const { at, columns } = together([fast, slow]);
  assert.deepEqual(at, [0, 0.5, 1, 2, 2.5, 3, 31.5, 60, 61]);
  assert.deepEqual(columns[0], [0, undefined, 1, 2, undefined, 3, null, 60, 61]);
  assert.deepEqual(columns[1], [undefined, 9, undefined, undefined, 9, undefined, undefined, undefined, undefined]);
});

test('around an alarm each key is a line with its unit, whatever the others sent when', () => {
  const at = (second) => new Date(second * 1000).toISOString();
  const rows = [{ at: at(0), key: 't', value: 1 }, { at: at(1), key: 'rpm', value: 900 }, { at: at(2), key: 't', value: 2 }, { at: at(3), key: 'rpm', value: 'stuck' }, { at: at(4), key: 'on', value: true }];
  const drawn = table(rows, ['t', 'rpm', 'on', 'never'], (key) => (key === 't' ? 'Cel' : ''));
  assert.deepEqual(drawn.at, [0, 1, 2, 4]);
  assert.deepEqual(drawn.lines.map((line) => [line.label, line.unit, ...line.values]), [
    ['t', 'Cel', 1, undefined, 2, undefined], ['rpm', '', undefined, 900, undefined, undefined], ['on', '', undefined, undefined, undefined, 1],
  ]);
});

test('one looks closer around a place, wider until all is shown, and no further than all', () => {
  const whole = [0, 100];
  assert.deepEqual(scaled(whole, 50, 0.5, whole), [25, 75]);
  assert.deepEqual(scaled(whole, 0, 0.5, whole), [0, 50]);
  assert.deepEqual(scaled([25, 75], 50, 0.5, whole), [37.5, 62.5]);
  assert.deepEqual(scaled([0, 20], 10, 2, whole), [0, 40]); // not before all begins
  assert.equal(scaled([25, 75], 50, 2, whole), null);
  const deep = scaled([50, 50.1], 50, 0.5, whole);
  assert.ok(Math.abs(deep[1] - deep[0] - 0.1) < 1e-9); // as close as one gets
  assert.deepEqual(moved([20, 40], 0.5, whole), [30, 50]);
  assert.deepEqual(moved([20, 40], -5, whole), [0, 20]);
  assert.deepEqual(moved([90, 100], 0.5, whole), [90, 100]);
});

test('the keys stop at samples and where a band begins, in what is shown', () => {
  const lines = [{ label: 'a', values: [1, null, undefined, 4] }, { label: 'b', values: [undefined, undefined, 3, undefined] }];
  assert.deepEqual(stopsOf([10, 20, 30, 40], lines, [{ from: 25, to: null }, { from: 5, to: 6 }], [10, 35]), [10, 25, 30]);
});

test('a moment is within a band from its beginning to its end, or until now', () => {
  const [hot, open] = [{ from: 10, to: 20, label: 'hot' }, { from: 15, to: null, label: 'open' }];
  const at = (moment) => bandsAt([hot, open], moment, 1, 30).map((band) => band.label);
  assert.deepEqual([at(8.9), at(9), at(15), at(21), at(22), at(32)], [[], ['hot'], ['hot', 'open'], ['hot', 'open'], ['open'], []]);
});

test('an alarm is a band in the colour of its severity, with what it says', () => {
  const alarm = { raised_at: '1970-01-01T00:00:10Z', cleared_at: null, severity: 'warning', message: 'hot' };
  assert.deepEqual(bandOf(alarm), { from: 10, to: null, tone: 'warn', label: 'hot' });
  assert.equal(bandOf({ ...alarm, cleared_at: '1970-01-01T00:00:20Z' }).to, 20);
});

test('words make no line: what came last says so, then the type', () => {
  const type = { telemetry: { mode: { type: 'string' }, t: { type: 'number' } } };
  const twin = { telemetry: { said: { value: 'on' }, on: { value: true }, n: { value: 3 }, t: { value: 'n/a' } } };
  assert.deepEqual(['mode', 't', 'new'].map((key) => drawable(key, type, undefined)), [false, true, true]);
  assert.deepEqual(['said', 'on', 'n', 't', 'mode', 'new'].map((key) => drawable(key, type, twin)), [false, true, true, false, false, true]);
  assert.equal(drawable('new', null, undefined), true);
});

test('a unit is written as people do, by the second too, and a name in a condition is a key', () => {
  assert.deepEqual(['Cel', 'Cel/s', 'm/s2', 'm/s', '{piece}/s', '1/s'].map(unitText), ['°C', '°C/s', 'm/s²', 'm/s', 'piece/s', '1/s']);
  assert.deepEqual(['t', 'telemetry.t', "telemetry['a-b']", 'mean(t, 5m)'].map(keyOf), ['t', 't', 'a-b', 'mean(t, 5m)']);
});
