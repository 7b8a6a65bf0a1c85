// Tests of onboarding's and the devices' own logic: `node test/onboarding.mjs`, from tests/web/test_scripts.py.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const load = (path) => server.ssrLoadModule(`/src/${path}`);
const { endAfter, networksOf, stateOf } = await load('pages/onboarding/claims.ts');
const { commandFaultOf, commandsOf, newCommand, withCommands } = await load('pages/onboarding/commands.ts');
const { newRow } = await load('pages/onboarding/fields.ts');
const { mappingFaultOf, mappingOf, newBits, newSource, typedOf, valueOf, withMapping } = await load('pages/onboarding/mapping.ts');
const { fitting, told } = await load('pages/devices/reached.ts');
await server.close();

const MAPPING = {
  format: 'cbor',
  each: 'rows',
  time: 'at',
  telemetry: { t: 'sensor.t', p: { from: 'p', unit: 'Pa', default: 1013 }, 'a.b': { from: 'x', parse: true, when: { port: 2 } }, state: { constant: 'idle' } },
  properties: { mode: { from: 'm', values: { 1: 'on' } } },
  events: { leak: { litres: 'l' } },
  binary: { from: 'data', encoding: 'hex', min_bytes: 3, fields: { v: { byte: 0, bytes: 2, signed: true, scale: 0.01 }, moving: { byte: 3, bit: 7, optional: true } } },
  ignore: ['a', '["b,c"]'],
  unmapped: 'ignore',
};

test('a mapping becomes a form and comes back as it was', () => {
  assert.deepEqual(withMapping({ telemetry: {} }, mappingOf(MAPPING)), { telemetry: {}, mapping: MAPPING });
  assert.deepEqual(withMapping({ mapping: { format: 'json' } }, mappingOf({ format: 'json' })), { mapping: { format: 'json' } });
  assert.deepEqual(withMapping({ mapping: 7 }, mappingOf(undefined)), {});
});

test('what is typed in a mapping is a number where it is one, and told to the server where it is none', () => {
  const form = mappingOf(undefined);
  form.sources = [{ ...newSource(), target: 'telemetry.t', from: ' a ', scale: '0.1', offset: 'x', fallback: 'off' }, newSource()];
  assert.deepEqual(withMapping({}, form), { mapping: { telemetry: { t: { from: 'a', scale: 0.1, offset: 'x', default: 'off' } } } });
});

test('an empty default is kept as it is', () => {
  for (const value of ['', ' ', 'off']) {
    const mapping = { telemetry: { t: { from: 'a', default: value } } };
    assert.deepEqual(withMapping({}, mappingOf(mapping)), { mapping });
  }
});

test('a place without a key, and a key without its byte, are told', () => {
  const source = mappingOf(undefined);
  source.sources = [{ ...newSource(), from: 'sensor.t' }];
  assert.match(mappingFaultOf(source), /sensor\.t/);
  const bits = mappingOf(undefined);
  bits.bits = [{ ...newBits(), byte: '4' }];
  assert.match(mappingFaultOf(bits), /byte 4/);
  bits.bits = [{ ...newBits(), target: 'telemetry.t', byte: ' ' }];
  assert.match(mappingFaultOf(bits), /key t .*byte/);
  assert.deepEqual(withMapping({}, bits), { mapping: { binary: { fields: { t: {} } } } });
  bits.bits = [{ ...newBits(), byte: '' }];
  source.sources = [newSource()];
  assert.deepEqual([mappingFaultOf(source), mappingFaultOf(bits)], ['', '']);
});

test('a constant is typed as it is read', () => {
  for (const value of ['idle', '7', 'true', '', 7, 0, true, null, [1], { a: 'b' }]) assert.deepEqual(valueOf(typedOf(value)), value);
  assert.equal(typedOf('idle'), 'idle');
  assert.equal(typedOf('7'), '"7"');
});

test('a key that is said twice in a mapping is told, also once from bytes', () => {
  const form = mappingOf({ telemetry: { v: 'a' }, binary: { fields: { v: { byte: 0 } } } });
  assert.match(mappingFaultOf(form), /key v stands twice/);
  assert.equal(mappingFaultOf(mappingOf(MAPPING)), '');
});

const COMMANDS = {
  set_speed: { title: 'Speed', rpm: { type: 'integer', minimum: 0, required: true, enum: [1, 2] }, output: { rpm: { type: 'integer' } } },
  restart: {},
  odd: { output: { type: 'string' }, title: { type: 'string' } },
};

test('commands become rows and come back as they were', () => {
  assert.deepEqual(withCommands({ title: 'x' }, commandsOf(COMMANDS)), { title: 'x', commands: COMMANDS });
  assert.deepEqual(withCommands({ commands: COMMANDS }, []), {});
  assert.deepEqual(commandsOf(undefined), []);
});

test('a command without a name is left out, one that stands twice is told', () => {
  assert.deepEqual(withCommands({}, [newCommand()]), {});
  const [one] = commandsOf({ stop: {} });
  assert.match(commandFaultOf([one, { ...newCommand(), name: 'stop ' }]), /stop stands twice/);
  const row = (name) => ({ ...newRow(), name });
  assert.match(commandFaultOf([{ ...one, input: [row('a'), row('a')] }]), /key a/);
  assert.match(commandFaultOf([{ ...one, input: [row('output')], output: [row('b')] }]), /key output/);
  assert.equal(commandFaultOf(commandsOf(COMMANDS)), '');
});

test('a claim is as its end, its number and its time say', () => {
  const claim = { revoked_at: null, start: '2026-01-01T00:00:00Z', end: '2026-02-01T00:00:00Z', used: 0, count: 2 };
  const inTime = Date.parse('2026-01-15T00:00:00Z');
  assert.equal(stateOf(claim, inTime), 'live');
  assert.equal(stateOf({ ...claim, used: 2 }, inTime), 'used');
  assert.equal(stateOf(claim, Date.parse('2025-12-31T00:00:00Z')), 'early');
  assert.equal(stateOf({ ...claim, used: 2 }, Date.parse('2026-02-01T00:00:00Z')), 'over');
  assert.equal(stateOf({ ...claim, revoked_at: '2026-01-02T00:00:00Z' }, inTime), 'revoked');
  assert.deepEqual(networksOf(' 10.0.0.0/8,, ::1/128\n'), ['10.0.0.0/8', '::1/128']);
  assert.equal(endAfter(1, 0), '1970-01-02T00:00:00.000Z');
});

test('of what is told of a device the newest counts, and nothing is said twice', () => {
  const rows = [{ device_id: 'a', connected: false }, { device_id: 'b', connected: true }, { device_id: 'c', connected: true }];
  const event = (device_id, change, ended_at = null) => ({ device_id, data: { change, record: { ended_at } } });
  const now = told(rows, [event('a', 'connected'), event('a', 'disconnected', 'x'), event('b', 'disconnected', 'y'), event('c', 'connected'), event('d', 'connected')]);
  assert.deepEqual(now.changed, [{ device_id: 'b', connected: false, left_at: 'y' }]);
  assert.deepEqual(now.others, [{ device_id: 'd', connected: true }]);
  assert.deepEqual(told([{ device_id: 'b', connected: false, left_at: 'y' }], [event('b', 'connected')]).changed, [{ device_id: 'b', connected: true, left_at: undefined }]);
});

test('devices that fit by now are counted until they do not', () => {
  const of = (device_id, connected) => ({ device_id, connected });
  const held = fitting(new Set(), [of('a', true), of('b', true), of('c', false)], true);
  assert.deepEqual([...held], ['a', 'b']);
  assert.deepEqual([...fitting(held, [of('a', false), of('b', true)], true)], ['b']);
  assert.deepEqual([...fitting(new Set(), [of('a', true), of('c', false)], false)], ['c']);
});
