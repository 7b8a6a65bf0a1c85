// Streams and sessions, against a server and a clock of our own; run by run.mjs.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createServer } from 'vite';

const page = Object.assign(new EventTarget(), { hidden: false });
const kept = new Map();
const given = {
  document: page,
  window: new EventTarget(),
  navigator: { onLine: true },
  localStorage: { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) },
  requestAnimationFrame: (act) => setTimeout(act, 16),
};
for (const [name, value] of Object.entries(given)) Object.defineProperty(globalThis, name, { value, configurable: true });

const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const load = (path) => server.ssrLoadModule(`/src/${path}`);
// The one interval of `awake` is ours to tick: what comes between two ticks is up to each test.
const realInterval = globalThis.setInterval;
let tick;
globalThis.setInterval = (act, pause_ms) => (pause_ms === 5000 ? (tick = act) : realInterval(act, pause_ms));
const { fetchRead, lookAfter, stayAwake } = await load('api/awake.ts');
stayAwake();
globalThis.setInterval = realInterval;
const { Channel } = await load('api/channel.ts');
const { paced } = await load('api/pace.ts');
const { session } = await load('api/session.svelte.ts');
const { live } = await load('api/live.svelte.ts');
const { Fleet } = await load('pages/map/fleet.svelte.ts');
await server.close();

const WELL = '/api/v1/health/live'; // is asked over each connection that is in doubt

/** A test with a clock that only it moves. */
const timed = (name, run) =>
  test(name, async () => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const realFetch = globalThis.fetch;
    try {
      await run();
    } finally {
      globalThis.fetch = realFetch;
      mock.timers.reset();
    }
  });

async function settle() {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((done) => setImmediate(done));
}

async function pass(pause_ms) {
  mock.timers.tick(pause_ms);
  await settle();
}

/** A stream as the server sends it; `say` takes kind and id. */
function streamOf(signal) {
  let control;
  const body = new ReadableStream({ start: (controller) => void (control = controller) });
  signal.addEventListener('abort', () => control.error(new Error('aborted')));
  return {
    response: new Response(body),
    end: () => control.close(),
    say: (kind, id, data = {}) => control.enqueue(new TextEncoder().encode(`id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify({ device_id: 'a', ...data })}\n\n`)),
  };
}

/** A channel, with all that it asked for and told. */
function channelOf() {
  const streams = [];
  const told = [];
  const faults = [];
  const channel = new Channel({
    open: async (query, from, signal) => {
      const stream = streamOf(signal);
      streams.push({ query, from, signal, ...stream });
      return stream.response;
    },
    tell: (state) => told.push(state),
    lost: () => told.push('lost'),
    online: () => true,
    soon: (act) => setTimeout(act, 16),
    report: (error) => faults.push(error.message),
  });
  return { channel, streams, told, faults };
}

/** Somebody who watches: what was heard, and why to read again. */
function watcher(...kinds) {
  const heard = [];
  const again = [];
  return { heard, again, watch: { kinds, on: (events) => heard.push(...events.map((event) => `${event.kind} ${event.position}`)), again: (reason) => void again.push(reason) } };
}

timed('a message that comes behind what was told of a record is heard, and only once', async () => {
  const { channel, streams } = channelOf();
  const one = watcher('telemetry', 'alarm');
  channel.add(one.watch);
  await pass(30);
  streams[0].say('alarm', 7); // told at the head of a batch whose messages follow
  streams[0].say('telemetry', 6);
  streams[0].say('telemetry', 7);
  streams[0].say('telemetry', 6);
  streams[0].say('alarm', 7); // another change at the same head
  await settle();
  await pass(16);
  assert.deepEqual(one.heard, ['alarm 7', 'telemetry 6', 'telemetry 7', 'alarm 7']);
});

timed('another watch is no fault, and nobody reads again who has missed nothing', async () => {
  const { channel, streams, told } = channelOf();
  const [first, second, third] = [watcher('alarm'), watcher('rejection'), watcher('alarm')];
  channel.add(first.watch);
  await pass(30);
  const leave = channel.add(second.watch);
  await pass(30);
  assert.deepEqual(streams.map((stream) => [stream.query, stream.from]), [['kinds=alarm', null], ['kinds=alarm&kinds=rejection', null]]);
  assert.deepEqual([first.again, second.again], [['opened', 'opened'], ['opened']]); // they had read before
  channel.add(third.watch); // already brought
  await pass(30);
  assert.deepEqual([streams.length, first.again.length, second.again.length, third.again], [2, 2, 1, []]);
  leave(); // its messages would be many
  await pass(30);
  assert.deepEqual(streams.slice(2).map((stream) => stream.query), ['kinds=alarm']);
  assert.deepEqual(new Set(told), new Set(['connecting', 'live']));
});

timed('one page goes, the next comes: the stream stays, and ends when nobody comes', async () => {
  const { channel, streams, told } = channelOf();
  const [before, after] = [watcher('alarm', 'work_order'), watcher('alarm')];
  const leave = channel.add(before.watch);
  await pass(30);
  leave();
  await pass(500);
  const leaveLast = channel.add(after.watch);
  await pass(30);
  streams[0].say('alarm', 3);
  await settle();
  await pass(16);
  assert.deepEqual([streams.length, after.heard, after.again, told], [1, ['alarm 3'], [], ['connecting', 'live']]);
  leaveLast();
  await pass(1000);
  assert.ok(streams[0].signal.aborted);
  assert.equal(told.at(-1), 'idle');
});

timed('after a fault messages go on from the last, and records are read again', async () => {
  const { channel, streams, told } = channelOf();
  const [messages, records] = [watcher('telemetry'), watcher('alarm')];
  channel.add(messages.watch);
  channel.add(records.watch);
  await pass(30);
  streams[0].say('telemetry', 5);
  streams[0].say('alarm', 9);
  await settle();
  streams[0].end();
  await settle();
  await pass(1000);
  assert.equal(streams[1].from, 5);
  assert.deepEqual([messages.again, records.again], [['opened'], ['opened', 'reconnected']]);
  assert.deepEqual(told, ['connecting', 'live', 'reconnecting', 'reconnecting', 'caught-up']);
  streams[1].say('gap', 9, { missed: 0, reason: 'Changes of kind alarm are not sent again.' });
  await settle();
  assert.deepEqual([messages.again.length, records.again.length], [1, 2]);
  streams[1].say('gap', 20, { missed: 4, reason: 'The reader was too slow.' });
  await settle();
  assert.deepEqual([messages.again.length, records.again.length], [2, 3]);
});

timed('what comes while one reads again is told to it after that, and the stream is read all the while', async () => {
  const { channel, streams, told } = channelOf();
  const one = watcher('telemetry');
  let read;
  channel.add({ ...one.watch, again: () => new Promise((done) => (read = done)) });
  await pass(30);
  streams[0].say('telemetry', 5);
  await settle();
  await pass(4_000);
  assert.deepEqual([one.heard, told], [[], ['connecting']]);
  read();
  await settle();
  await pass(16);
  assert.deepEqual([one.heard, told], [['telemetry 5'], ['connecting', 'live']]);
});

timed('one request that does not end holds up neither the events nor the stream', async () => {
  const { channel, streams, told } = channelOf();
  const [stuck, other] = [watcher('telemetry'), watcher('telemetry')];
  channel.add({ ...stuck.watch, again: () => new Promise(() => undefined) });
  channel.add(other.watch);
  await pass(30);
  streams[0].say('telemetry', 5);
  await settle();
  await pass(5_000);
  await pass(16);
  assert.deepEqual([stuck.heard, other.heard, told.at(-1)], [['telemetry 5'], ['telemetry 5'], 'live']);
  const forget = lookAfter(channel);
  for (let beat = 0; beat < 12; beat += 1) {
    await pass(5_000);
    if (beat % 3 === 0) streams[0].say('telemetry', 6 + beat);
    await settle();
    tick();
  }
  await settle();
  forget();
  assert.equal(streams.length, 1);
});

timed('a stream that ends while its watchers read again is not called live, and loses nothing', async () => {
  const { channel, streams, told } = channelOf();
  const one = watcher('telemetry');
  const reads = [];
  channel.add({ ...one.watch, again: () => new Promise((done) => reads.push(done)) });
  await pass(30);
  streams[0].say('telemetry', 5);
  await settle();
  streams[0].end();
  await settle();
  reads[0]();
  await settle();
  await pass(16);
  assert.deepEqual([one.heard, told], [['telemetry 5'], ['connecting', 'reconnecting']]);
  await pass(1_000);
  assert.equal(streams[1].from, 5);
});

timed('one that fails at what it is told is reported and reads again; the others hear all the same', async () => {
  const { channel, streams, faults } = channelOf();
  const [first, second] = [watcher('telemetry'), watcher('telemetry')];
  const fail = () => {
    throw new Error('broken');
  };
  channel.add({ ...first.watch, on: fail });
  channel.add(second.watch);
  channel.add({ kinds: ['telemetry'], on: () => undefined, again: fail });
  await pass(30);
  streams[0].say('telemetry', 5);
  await settle();
  await pass(16);
  assert.deepEqual([first.again, second.heard, second.again], [['opened', 'failed'], ['telemetry 5'], ['opened']]);
  assert.deepEqual(faults, ['broken', 'broken']);
});

timed('a stream that is only just asked for is not taken for a silent one', async () => {
  const { channel, streams, told } = channelOf();
  const forget = lookAfter(channel);
  channel.add(watcher('alarm').watch);
  mock.timers.tick(30);
  tick();
  await settle();
  assert.deepEqual([streams.length, told], [1, ['connecting', 'live']]);
  forget();
});

timed('a connection that is silent, or was slept through, is not trusted', async () => {
  const { channel, streams } = channelOf();
  const forget = lookAfter(channel);
  const one = watcher('telemetry');
  const beats = async (count) => {
    for (let beat = 0; beat < count; beat += 1) {
      await pass(5_000);
      tick();
    }
    await settle();
  };
  channel.add(one.watch);
  await pass(30);
  streams[0].say('telemetry', 5);
  await settle();
  tick();
  await beats(8);
  assert.equal(streams.length, 1);
  await beats(1); // silent for longer than the server ever is
  assert.deepEqual([streams.length, streams[0].signal.aborted, streams[1].from, one.again], [2, true, 5, ['opened']]);
  await pass(20_500); // no look for so long: a sleep
  tick();
  await settle();
  assert.deepEqual([streams.length, streams[2].from, one.again], [3, 5, ['opened']]);
  await pass(61_000); // longer than it is worth to be sent all that was missed
  tick();
  await settle();
  assert.deepEqual([streams.length, streams[3].from, one.again], [4, null, ['opened', 'reconnected']]);
  forget();
});

timed('a page that was hidden has not slept: what was heard just now stays open', async () => {
  const { channel, streams } = channelOf();
  const forget = lookAfter(channel);
  channel.add(watcher('telemetry').watch);
  await pass(30);
  tick();
  await pass(59_000); // a browser holds the timers of a hidden page back for a minute
  streams[0].say('telemetry', 5);
  await settle();
  await pass(1_000);
  tick();
  await settle();
  assert.equal(streams.length, 1);
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.deepEqual([streams.length, streams[1].from], [2, 5]); // by another network
  forget();
});

timed('after a sleep all connections are tried, and then what was being read is asked for again', async () => {
  const asked = [];
  globalThis.fetch = (url, { signal }) =>
    new Promise((answer, fail) => {
      asked.push({ url, answer });
      signal.addEventListener('abort', () => fail(signal.reason));
    });
  tick();
  const reading = fetchRead('/a');
  await pass(19_000);
  tick();
  await settle();
  assert.equal(asked.length, 1); // who is slow is waited for
  await pass(25_000);
  tick();
  await settle();
  const tries = asked.splice(1);
  assert.deepEqual(tries.map((one) => one.url), Array(6).fill(WELL));
  tries.forEach((one) => one.answer(new Response('{}')));
  await settle();
  const given = new Response('a');
  asked[1].answer(given);
  assert.equal(await reading, given);
  const gone = new AbortController();
  const left = assert.rejects(fetchRead('/b', { signal: gone.signal }), { name: 'AbortError' });
  await settle();
  gone.abort();
  await left;
});

timed('a page that wakes from sleep opens its streams again', async () => {
  const asked = [];
  globalThis.fetch = async (url, { headers, signal }) => {
    if (url === WELL) return new Response('{}');
    const stream = streamOf(signal);
    asked.push({ url, headers, ...stream });
    return stream.response;
  };
  tick(); // as at every five seconds: the clock of this test begins here
  const leave = live.watch(watcher('telemetry').watch);
  await pass(30);
  asked[0].say('telemetry', 5);
  await settle();
  await pass(5_000);
  tick();
  await settle();
  assert.deepEqual([asked.length, live.state], [1, 'live']);
  mock.timers.setTime(Date.now() + 25_000); // no timer ran meanwhile, and the silence is not yet long
  tick();
  await settle();
  assert.deepEqual([asked.length, asked[1].headers['Last-Event-ID'], live.state], [2, '5', 'caught-up']);
  leave();
  await pass(1_000);
  assert.equal(live.state, 'idle');
});

timed('a map that was slept through, or hears nothing, opens its stream again', async () => {
  const asked = [];
  globalThis.fetch = async (url, { signal } = {}) => {
    if (url === WELL) return new Response('{}');
    if (!url.includes('/fleet/live')) return new Response(JSON.stringify({ items: [] }), { headers: { 'Content-Type': 'application/json' } });
    const stream = { signal, ...streamOf(signal) };
    asked.push(stream);
    return stream.response;
  };
  const hear = async (devices) => {
    asked.at(-1).say('fleet', 0, { reset: true, set: [], gone: [], zoom: 3, devices });
    await settle();
  };
  tick();
  const fleet = new Fleet();
  const leave = fleet.start();
  try {
    fleet.look({ bounds: [-180, -90, 180, 90], zoom: 3 });
    await pass(250);
    await hear(1);
    await pass(5_000);
    tick();
    assert.deepEqual([asked.length, fleet.state, fleet.devices], [1, 'live', 1]);
    mock.timers.setTime(Date.now() + 25_000);
    tick();
    await settle();
    assert.deepEqual([asked.length, asked[0].signal.aborted, fleet.state], [2, true, 'again']);
    await hear(2);
    assert.deepEqual([fleet.state, fleet.devices], ['live', 2]);
    for (let beat = 0; beat < 9; beat += 1) {
      await pass(5_000);
      tick();
    }
    await settle();
    assert.deepEqual([asked.length, fleet.state], [3, 'again']); // silent for longer than the server ever is
  } finally {
    leave();
  }
  assert.ok(asked[2].signal.aborted);
});

timed('one stream that is well does not hide that the other is not', async () => {
  const asked = [];
  globalThis.fetch = async (url, { signal }) => {
    if (url.includes('devices=a')) throw new TypeError('failed to fetch');
    const stream = streamOf(signal);
    asked.push(stream);
    return stream.response;
  };
  const leaveOne = live.watch({ ...watcher('telemetry').watch, devices: ['a'] });
  await pass(30);
  assert.equal(live.state, 'reconnecting');
  const leaveAll = live.watch(watcher('alarm').watch);
  await pass(30);
  assert.deepEqual([asked.length, live.state], [1, 'reconnecting']);
  leaveOne();
  await pass(1_000);
  assert.equal(live.state, 'live');
  leaveAll();
  await pass(1_000);
  assert.equal(live.state, 'idle');
});

timed('what is asked for often is done at once, and then once at the end of each pause', async () => {
  const done = [];
  const act = paced(() => done.push(Date.now() - 1_000_000), 1_000);
  for (let turn = 0; turn < 15; turn += 1) {
    act();
    mock.timers.tick(100);
  }
  assert.deepEqual(done, [0, 1_000]);
  mock.timers.tick(500); // what was asked for at last is not forgotten
  assert.deepEqual(done, [0, 1_000, 2_000]);
  mock.timers.tick(1_000);
  act();
  act();
  act.stop();
  mock.timers.tick(1_000);
  assert.deepEqual(done, [0, 1_000, 2_000, 3_000]);
});

/** Answer the requests for sessions in order: a status, and what is said with it. */
function answering(...answers) {
  const told = { name: 'alice', tenant: 'default', token: 't', actions: ['device.read'] };
  globalThis.fetch = async () => {
    const status = answers.shift();
    if (status === undefined) throw new TypeError('failed to fetch');
    return new Response(status === 204 ? null : JSON.stringify(status === 200 ? told : { detail: `It is ${status}.` }), { status });
  };
}

timed('a server that is ill says nothing of the session: it is asked again', async () => {
  kept.set('weft-signed-in', 'yes');
  answering(503, 200, 200);
  await session.resume();
  assert.equal(session.state, 'unknown');
  await pass(2_000);
  assert.deepEqual([session.state, session.may('device.read')], ['in', true]);
  answering(401);
  await session.resume();
  assert.deepEqual([session.state, session.reason, kept.size], ['out', 'over', 0]);
});

timed('who signs out is out only when the server has ended the session', async () => {
  const enter = async () => {
    kept.set('weft-signed-in', 'yes');
    answering(200, 200);
    await session.resume();
    assert.equal(session.state, 'in');
  };
  for (const [answers, words] of [[[503], 'It is 503.'], [[], 'The server does not answer.']]) {
    await enter();
    answering(...answers);
    await assert.rejects(session.signOut(), { detail: words });
    assert.equal(session.state, 'in');
  }
  for (const status of [204, 401]) {
    await enter();
    answering(status);
    await session.signOut();
    assert.deepEqual([session.state, session.reason], ['out', 'left']);
  }
});
