// Tests of what needs no browser: `node test/run.mjs`, from tests/web/test_scripts.py.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const load = (path) => server.ssrLoadModule(`/src/${path}`);
const { readFrame, takeFrames } = await load('api/frames.ts');
const { chartOf, curveOf } = await load('pages/device/history.ts');
const { faultOf } = await load('pages/device/checking.ts');
const { findPage, pages: allPages } = await load('pages.ts');
const { numberText, valueText } = await load('kit/numbers.ts');
const { Listing } = await load('api/listing.svelte.ts');
const { takeNewest } = await load('api/newest.ts');
const { holdsNull, merged, patchOf, touched } = await load('api/patch.ts');
const { doMany } = await load('kit/many.ts');
const { icons } = await load('kit/icons.ts');
const texts = await load('texts/en.ts');
const { completionsAt, inText, wordBefore } = await load('pages/rules/completion.ts');
const { editedOf, isSame } = await load('pages/rules/edited.ts');
const { collect, FORGET, valuesOf } = await load('pages/connectors/form.ts');
// What it would look at the clock with keeps a process alive.
const realInterval = globalThis.setInterval;
globalThis.setInterval = () => 0;
const { exactText, momentText } = await load('kit/time.svelte.ts');
globalThis.setInterval = realInterval;
const { FRESH, fromView, readAsked, windowOf, writtenAsked } = await load('pages/explore/asked.ts');
await server.close();

const at = (seconds) => new Date(seconds * 1000).toISOString();

test('frames are cut where they end, whatever the chunks', () => {
  const whole = 'id: 7\nevent: alarm\ndata: {"a":1}\n\n: still here\n\nid: 8\nev';
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const first = takeFrames(whole.slice(0, cut));
    const second = takeFrames(first.rest + whole.slice(cut));
    assert.deepEqual([...first.frames, ...second.frames], ['id: 7\nevent: alarm\ndata: {"a":1}', ': still here']);
    assert.equal(second.rest, 'id: 8\nev');
  }
});

test('a frame without data is none, as a comment', () => {
  assert.equal(readFrame(': still here'), null);
  assert.deepEqual(readFrame('id: 7\nevent: alarm\ndata: {}'), { event: 'alarm', id: 7, data: '{}' });
});

test('a stretch without samples is a gap in the curve', () => {
  const rows = [0, 1, 2, 3, 60, 61].map((second) => ({ at: at(second), value: second }));
  const curve = curveOf(rows);
  assert.deepEqual(curve.at, [0, 1, 2, 3, 31.5, 60, 61]);
  assert.equal(curve.values[4], null);
});

test('what is no number is no point, and a switch is 0 or 1', () => {
  assert.deepEqual(curveOf([{ at: at(0), value: true }, { at: at(1), value: 'on' }]).values, [1, null]);
});

test('two periods stand on one axis, joined where only the other has a sample', () => {
  const chart = chartOf('rpm', '', '--series-1', [{ at: at(100), value: 1 }], [{ at: at(40), value: 2 }], 61, 'before');
  assert.deepEqual(chart.at, [100, 101]);
  assert.deepEqual(chart.lines.map((line) => line.values), [[1, undefined], [undefined, 2]]);
  assert.equal(chart.lines[1].dashed, true);
});

test('wishes are held against the type', () => {
  const type = { name: 'pump', properties: { rpm: { type: 'number', minimum: 0, maximum: 9 }, serial: { type: 'string', read_only: true } } };
  assert.equal(faultOf({ rpm: 3 }, type), '');
  assert.equal(faultOf({ rpm: null }, type), '');
  assert.match(faultOf({ rpm: 10 }, type), /from 0 to 9/);
  assert.match(faultOf({ rpm: 'fast' }, type), /of type number/);
  assert.match(faultOf({ serial: 'x' }, type), /by the device alone/);
  assert.match(faultOf({ speed: 3 }, type), /no property speed/);
  assert.match(faultOf([1], type), /object/);
  assert.equal(faultOf({ anything: 1 }, null), '');
});

test('an address finds its page, one without names before one with', () => {
  const pages = [{ name: 'one', path: '/devices/:device_id' }, { name: 'list', path: '/devices' }, { name: 'new', path: '/devices/new' }];
  assert.equal(findPage('/devices', pages).page.name, 'list');
  assert.equal(findPage('/devices/new', pages).page.name, 'new');
  assert.deepEqual(findPage('/devices/a%2Fb', pages).params, { device_id: 'a/b' });
  assert.equal(findPage('/devices/a/b', pages), null);
  assert.equal(findPage('/devices/%E0', pages), null); // cut within a character
});

test('every page has an address and a name of its own, and no two the same key', () => {
  assert.ok(allPages.length > 2);
  for (const field of ['path', 'name', 'jump']) {
    const held = allPages.map((page) => page[field]).filter(Boolean);
    assert.equal(new Set(held).size, held.length, field);
  }
});

test('values are text', () => {
  assert.equal(valueText({ a: '<b>' }), '{"a":"<b>"}');
  assert.equal(valueText(null), '–');
  assert.equal(numberText(0.0000123), '0.0000123');
});

test('of two questions the newer one is answered, whichever answer comes first', async () => {
  const answers = [];
  const list = new Listing(() => new Promise((resolve) => answers.push(resolve)), String);
  const [older, newer] = [list.read(), list.read()];
  answers[1]({ items: ['new'], next: null });
  answers[0]({ items: ['old'], next: 'x' });
  await Promise.all([older, newer]);
  assert.deepEqual([list.rows, list.more, list.loading], [['new'], false, false]);
});

test('pages follow one another, and what cannot be read is not asked for again by itself', async () => {
  const asked = [];
  let broken = false;
  const list = new Listing(async (cursor) => {
    asked.push(cursor);
    if (broken) throw new Error('gone');
    return cursor ? { items: [2], next: 'c' } : { items: [1], next: 'b' };
  }, String);
  await list.read();
  await list.readOn();
  assert.deepEqual([list.rows, list.more], [[1, 2], true]);
  broken = true;
  await list.readOn();
  assert.deepEqual([asked, list.rows, list.more, list.failed.message], [[undefined, 'b', 'c'], [1, 2], false, 'gone']);
  broken = false;
  await list.read();
  assert.deepEqual([list.rows, list.more, list.failed], [[1], true, undefined]);
});

test('what the stream tells is neither doubled nor undone by a page that was asked before', async () => {
  const answers = [];
  const list = new Listing(() => new Promise((resolve) => answers.push(resolve)), (row) => row.id);
  const ids = () => list.rows.map((row) => `${row.id}${row.v}`);
  const read = list.read();
  list.take([{ id: 'b', v: 2 }, { id: 'c', v: 1 }, { id: 'a', v: 2 }], (row) => row.id !== 'a');
  answers[0]({ items: [{ id: 'b', v: 1 }, { id: 'a', v: 1 }], next: 'x' });
  await read;
  assert.deepEqual(ids(), ['c1', 'b2']);
  list.take([{ id: 'd', v: 2 }], () => true);
  const on = list.readOn();
  answers[1]({ items: [{ id: 'd', v: 1 }, { id: 'e', v: 1 }], next: null });
  await on;
  assert.deepEqual(ids(), ['d2', 'c1', 'b2', 'e1']);
});

test('a quiet look takes what is new and what has gone, and leaves what was read on', async () => {
  let first = { items: ['c', 'b'], next: '2' };
  const list = new Listing(async (cursor) => (cursor ? { items: ['a'], next: null } : first), String);
  await list.read();
  await list.readOn();
  first = { items: ['d', 'b'], next: '2' };
  const looked = list.look();
  assert.deepEqual([list.rows, list.loading], [['c', 'b', 'a'], false]);
  await looked;
  assert.deepEqual([list.rows, list.more], [['d', 'b', 'a'], false]);
  first = { items: ['d', 'a'], next: '3' }; // the page ends elsewhere now
  await list.look();
  assert.deepEqual([list.rows, list.more], [['d', 'a'], true]);
  first = { items: [], next: null };
  await list.look();
  assert.deepEqual([list.rows, list.more], [[], false]);
});

test('a quiet look gives way to a question, and what it cannot read is told', async () => {
  const asked = [];
  const list = new Listing(() => new Promise((resolve, reject) => asked.push({ resolve, reject })), String);
  const first = list.read();
  await list.look(); // there is a question already
  asked[0].resolve({ items: ['old'], next: null });
  await first;
  const looked = list.look();
  const read = list.read();
  asked[2].resolve({ items: ['new'], next: null });
  asked[1].resolve({ items: ['looked'], next: null });
  await Promise.all([looked, read]);
  assert.deepEqual([asked.length, list.rows], [3, ['new']]);
  const again = list.look();
  asked[3].reject(new Error('gone'));
  await again;
  assert.deepEqual([list.failed.message, list.rows], ['gone', ['new']]);
});

test('an answer that comes behind a newer question is dropped, and so is its failure', async () => {
  const told = [];
  const take = (asked) => takeNewest(asked, (found) => told.push(found), (error) => told.push(error.message));
  let [answer, refuse] = [null, null];
  take(new Promise((resolve) => (answer = resolve)))();
  take(new Promise((_, reject) => (refuse = reject)))();
  take(Promise.resolve('new'));
  answer('old');
  refuse(new Error('old too'));
  await new Promise(setImmediate);
  take(Promise.reject(new Error('gone')));
  await new Promise(setImmediate);
  assert.deepEqual(told, ['new', 'gone']);
});

test('the same is done to many, a few at once, and what went wrong is named', async () => {
  const [left, done] = [[], []];
  let [atOnce, most] = [0, 0];
  async function act(item) {
    most = Math.max(most, ++atOnce);
    await new Promise(setImmediate);
    atOnce--;
    if (item % 4 === 0) throw new Error('stuck');
    done.push(item);
  }
  const told = await doMany([1, 2, 3, 4, 5, 6, 7, 8, 9], act, { left: (count) => left.push(count), name: (item) => `no ${item}` });
  assert.deepEqual(done, [1, 2, 3, 5, 6, 7, 9]);
  assert.deepEqual(told, { done: 7, failed: ['no 4: stuck', 'no 8: stuck'] });
  assert.deepEqual(left, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  assert.ok(most > 1 && most < 9);
  assert.deepEqual((await doMany([0], act)).failed, ['stuck']);
});

test('every text and every icon is used somewhere', () => {
  const files = readdirSync('src', { recursive: true }).filter((name) => /\.(svelte|ts)$/.test(name) && !/texts|icons\.ts|schema\.d\.ts/.test(name));
  const source = files.map((name) => readFileSync(join('src', name), 'utf8')).join('\n');
  const all = (pattern) => new Set([...source.matchAll(pattern)].map((found) => found[1]));
  const [read, quoted] = [all(/\.(\w+)/g), all(/['"]([\w-]+)['"]/g)];
  const byName = all(/\.(\w+)(?:\[|\)| as const)/g); // whose entries are chosen while it runs, or listed
  const unused = [];
  function walk(node, path, chosen) {
    for (const [name, value] of Object.entries(node)) {
      if (typeof value === 'object') walk(value, `${path}${name}.`, chosen || byName.has(name));
      else if (!chosen && !read.has(name) && !quoted.has(name)) unused.push(path + name);
    }
  }
  walk(texts, '', false);
  unused.push(...Object.keys(icons).filter((name) => !quoted.has(name)));
  assert.deepEqual(unused, []);
});

test('a name is completed where one is begun, and not within a text', () => {
  const words = { names: [{ name: 'vibration', source: 'telemetry', type: 'number', unit: 'mm/s', description: '' }], functions: [{ name: 'mean', signature: 'mean(number, time)', gives: 'double', doc: '', example: '', remembers: true }] };
  const labels = (source) => completionsAt(words, source, source.length).map((one) => one.insert);
  assert.deepEqual(labels('a > 1 && vib'), ['vibration']);
  assert.deepEqual(labels('me'), ['mean(']);
  assert.deepEqual(labels("state == 'vib"), []);
  assert.deepEqual(labels('vibration'), []);
  assert.equal(wordBefore('device.attr', 11), 'device.attr');
  assert.ok(inText("'it\\'s", 6));
  assert.ok(!inText("'a' + b", 7));
});

test('a rule is edited without its state, which is switched and not written', () => {
  const document = { name: 'hot', enabled: true, message: 'much' };
  assert.deepEqual(editedOf(document), { name: 'hot', message: 'much' });
  assert.equal(document.enabled, true);
});

test('documents that say the same are the same, whatever the order, and without what is empty', () => {
  const one = { name: 'hot', selector: { type: 'pump', devices: [] }, actions: [{ a: 1 }, { b: 2 }], clear: '' };
  assert.ok(isSame(one, { actions: [{ a: 1 }, { b: 2 }], selector: { devices: [], type: 'pump' }, name: 'hot', message: '' }));
  assert.ok(!isSame(one, { ...one, actions: [{ b: 2 }, { a: 1 }] }));
  assert.ok(!isSame(one, { ...one, clear: 't < 1' }));
  assert.ok(!isSame(one, { ...one, selector: { type: 'fan', devices: [] } }));
});

test('a moment of another year says its year, one of today no day', () => {
  const today = new Date();
  const year = today.getFullYear();
  const other = new Date(year, today.getMonth() === 0 ? 5 : 0, 15, 12); // this year, another day
  assert.ok(!momentText(other.toISOString()).includes(String(year)));
  assert.ok(momentText(other.toISOString()).includes('15'));
  for (const away of [-1, 1]) {
    const at = new Date(year + away, today.getMonth(), 15, 12).toISOString();
    assert.ok(momentText(at).includes(String(year + away)), momentText(at));
    assert.ok(exactText(at).includes(String(year + away)));
  }
  const now = momentText(today.toISOString());
  assert.ok(!now.includes(String(year)) && now.includes(String(today.getMinutes()).padStart(2, '0')), now);
});

test('what a connector is set up with comes out of its form as it went in', () => {
  const setting = (name, type, more = {}) => ({ name, type, required: false, secret: false, choices: [], of: '', help: '', default: null, ...more });
  const settings = [setting('to', 'list', { required: true }), setting('closed', 'list', { default: [] }), setting('password', 'text', { secret: true })];
  const saved = { to: ['"Shift, night" <night@example.com>', 'day@example.com'], closed: ['done, paid'] };
  const values = valuesOf(settings, saved, ['password']);
  assert.equal(values.to, '"Shift, night" <night@example.com>\nday@example.com');
  assert.deepEqual(collect(settings, values), { settings: saved, secrets: {} });
  assert.deepEqual(collect(settings, { to: ' a \n\nb', closed: '', password: 'new' }), { settings: { to: ['a', 'b'] }, secrets: { password: 'new' } });
  assert.deepEqual(collect(settings, { ...values, password: FORGET }).secrets, { password: null });
});

test('a patch makes of what was read what is written, whatever names are', () => {
  const facts = [
    {},
    { a: 1, b: { c: [1, null], d: 'x' } },
    { a: 2, b: { d: 'x', e: {} }, constructor: 1 },
    { b: 'word', toString: { a: 1 } },
    JSON.parse('{"__proto__": {"a": 1}, "b": {"c": [2]}}'),
  ];
  for (const before of facts) {
    for (const after of facts) {
      const patch = patchOf(before, after);
      assert.deepEqual(Object.entries(merged(before, patch)).sort(), Object.entries(after).sort());
      assert.equal(Object.keys(patch).length === 0, before === after);
    }
  }
  assert.deepEqual(patchOf({ a: 1, b: { c: 1, d: 2 } }, { b: { c: 1 } }), { a: null, b: { d: null } });
  assert.equal(holdsNull({ a: { b: null } }), true);
  assert.equal(holdsNull({ a: [null] }), false);
  assert.deepEqual(touched({ a: 'x', b: 'y' }, { a: 'x', b: 'z' }), { b: 'z' });
});

test('what is explored goes into the address and a view, and comes back', () => {
  const asked = { ...FRESH, devices: ['a', 'b'], keys: ['t'], span: 'own', from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z', compare: '7d' };
  const query = new URLSearchParams(Object.entries(writtenAsked(asked)).filter(([, value]) => value !== null));
  assert.deepEqual(readAsked(query), asked);
  assert.deepEqual(fromView(asked), asked);
  assert.deepEqual(fromView({ devices: 7, keys: [1, 't'], span: null }), { ...FRESH, keys: ['t'] });
  assert.deepEqual(windowOf(asked, 0), [Date.parse(asked.from), Date.parse(asked.to)]);
  assert.deepEqual(windowOf({ ...FRESH, span: '1h' }, 7_200_000), [3_600_000, 7_200_000]);
});

await import('./live.mjs');
