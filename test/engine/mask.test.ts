// The worker that masks: it lives while it is used, and what it does not survive is never sent.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { MaskerDeps } from '../../daemon/engine/mask.ts';
import { Masker } from '../../daemon/engine/mask.ts';
import { randomText } from '../core/secrets-made.ts';
import { dist } from '../support/build.ts';
import { afterTest, testHome } from '../support/daemon.ts';
import { within } from '../support/deadline.ts';

const idleMs = 77;
const shipped = join(dist, 'mask-worker.mjs');
const secret = `ghp_${randomText(1, 36)}`;

class HandTimers {
  /** Ends the worker's rest. */
  idle: () => void = () => {};
  /** Ends the time of the piece under way. */
  late: (() => void) | undefined;
  lateMs = 0;
  sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      if (ms === idleMs) this.idle = resolve;
      else {
        this.lateMs = ms;
        this.late = resolve;
      }
    });
}

function masking(workerPath = shipped, limits: MaskerDeps['limits'] = {}) {
  const runtime = new HandTimers();
  const masker = new Masker({ workerPath, runtime, limits: { idleMs, ...limits } });
  afterTest(() => masker.close());
  return { masker, runtime };
}

/** A worker of the test's own. */
function workerOf(source: string): string {
  const path = join(testHome().folder, 'worker.mjs');
  writeFileSync(path, `import { parentPort, workerData } from 'node:worker_threads';\n${source}`);
  return path;
}

function item(text: string, type = 'part/updated', opId = 'op1'): string {
  const data = {
    id: 'prt_a',
    messageId: 'msg_a',
    sessionId: 'ses_a',
    index: 0,
    actorId: 'a',
    schemaVersion: 1,
    type: 'text',
    text,
  };
  const event = { seq: 1, sessionId: 'ses_a', version: 1, type, at: 1, actorId: 'a', opId, data };
  return JSON.stringify({ opId, seq: 1, sessionId: 'ses_a', version: 1, events: [event] });
}

const ended = async (masker: Masker) => {
  while (masker.isAwake) await nextTurn();
};

test('[P29] items are masked in their order, and those without a secret are the same texts', async () => {
  const { masker } = masking();
  const plain = item('nothing').replace('{', '{ ');
  expect(await masker.mask([plain, item(`a ${secret} b`), plain])).toEqual([plain, item('a [masked:github] b'), plain]);
  expect(await masker.mask([])).toEqual([]);
});

test('[P29] what would be masked is told, and nothing is sent for it', async () => {
  const { masker } = masking();
  const at = { rule: 'github', messageId: 'msg_a', partId: 'prt_a', where: 'part text' };
  expect(await masker.find([item('nothing'), item(`a ${secret} b`)])).toEqual([
    { ...at, excerpt: 'a [masked:github] b' },
  ]);
  const many = masking(shipped, { maxFindings: 3 });
  expect(await many.masker.find([item(`${secret} `.repeat(50)), item(secret)])).toHaveLength(4);
});

test('a worker is started by the first use and ended after some idleness; the next use starts another', async () => {
  const { masker, runtime } = masking();
  expect(masker.isAwake).toBe(false);
  await masker.mask([item('a')]);
  expect(masker.isAwake).toBe(true);
  runtime.idle();
  await within('the worker to end', ended(masker));
  expect(await masker.mask([item(secret)])).toEqual([item('[masked:github]')]);
});

test('[P29] the shipped worker masks alone in a folder, without any package', async () => {
  const path = join(testHome().folder, 'mask-worker.mjs');
  copyFileSync(shipped, path);
  const { masker } = masking(path);
  // The second is found by the rules of @secretlint alone.
  const uri = `mysql://me:${randomText(3, 12)}@h/db`;
  expect(await masker.mask([item(secret), item(uri)])).toEqual([
    item('[masked:github]'),
    item('[masked:database-connection-string]'),
  ]);
  expect(readFileSync(path, 'utf8')).not.toMatch(/from ["'](?!node:|path|crypto|tty|util|os)/);
});

test('[P29] what is no item, and a delta, is rejected; nothing of it is in the error, and the next is masked', async () => {
  const { masker } = masking();
  for (const bad of [`{"a": ${secret}`, '{}', item(secret, 'part/delta')]) {
    const error = await masker.mask([item(secret), bad]).catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String((error as Error).stack)).not.toContain(secret.slice(0, 12));
  }
  expect(await masker.mask([item(secret)])).toEqual([item('[masked:github]')]);
});

test.each([
  ['exits', 'process.exit(3)'],
  ['throws', `throw new Error('about ${secret}')`],
  ['needs too much memory', 'const all = []; for (;;) all.push(new Array(1e4).fill(0))'],
  ['answers with less than it was given', 'parentPort.postMessage({ masked: [] })'],
  ['answers with something else', 'parentPort.postMessage({})'],
])('[P29] where the worker %s nothing is given back, and the next call has another worker', async (_, act) => {
  const path = workerOf(`parentPort.on('message', ({ items }) => {
    if (items[0] !== 'good') { ${act}; return; }
    parentPort.postMessage({ masked: items, unmaskable: [] });
  });`);
  const { masker } = masking(path, { heapMb: 64 });
  const failed = masker.mask(['bad']).catch((reason: Error) => String(reason.stack));
  expect(await within('the mask to fail', failed)).not.toContain(secret.slice(0, 12));
  expect(await failed).toBeTypeOf('string');
  expect(await within('the next one', masker.mask(['good']))).toEqual(['good']);
});

test('[P29] a worker that cannot be started is no reason to send anything', async () => {
  const { masker } = masking(join(testHome().folder, 'none.mjs'));
  await expect(masker.mask([item(secret)])).rejects.toThrow('masking ended');
});

const stuck = `parentPort.on('message', ({ items }) => {
  if (items[0] === 'stuck') for (;;);
  parentPort.postMessage({ masked: items, unmaskable: [] });
});`;

test('[P29] what takes too long is rejected, and its worker is ended', async () => {
  const { masker, runtime } = masking(workerOf(stuck));
  const late = masker.mask(['stuck']);
  late.catch(() => {});
  const next = masker.mask(['next']);
  while (!runtime.late) await nextTurn();
  runtime.late();
  await expect(within('the late one', late)).rejects.toThrow('longer than');
  expect(await within('the next one', next)).toEqual(['next']);
});

/** Looks at each text as the shipped one does; `act` is what it does at a text that begins with `bad`. */
const looking = (act: string, log: string) => `const { at } = workerData;
const { appendFileSync } = await import('node:fs');
const tell = (what) => appendFileSync(${JSON.stringify(log)}, what);
tell('start ');
parentPort.on('message', ({ items, failed, known, overUnits = Infinity }) => {
  const unmaskable = [];
  const masked = items.map((text) => {
    const number = Atomics.add(at, 0, 1) + 1;
    const told = { units: text.length, digest: text };
    if (failed.includes(number)) { unmaskable.push(told); return 'unclear'; }
    if (text.length > overUnits || known.some(({ digest }) => digest === text)) return 'unclear';
    if (text.startsWith('bad')) { tell('bad '); ${act} }
    return text;
  });
  parentPort.postMessage({ masked, unmaskable });
});`;

/** With what was told of it so far. */
function maskingBy(act: string, limits?: MaskerDeps['limits']) {
  const log = join(testHome().folder, 'told');
  const told = (what: string) => (existsSync(log) ? readFileSync(log, 'utf8').split(what).length - 1 : 0);
  return { ...masking(workerOf(looking(act, log)), limits), told };
}

test.each([
  ['exits', 'process.exit(3)'],
  ['throws', `throw new Error('about ${secret}')`],
  ['needs too much memory', 'const all = []; for (;;) all.push(new Array(1e4).fill(0))'],
])(
  '[P29] a text at which the worker %s is masked whole, and the rest goes on; the next time at once',
  async (_, act) => {
    const { masker, told } = maskingBy(act, { heapMb: 64 });
    const wanted = ['a', 'unclear', 'b', 'unclear', 'c'];
    expect(await within('the masks', masker.mask(['a', 'bad 1', 'b', 'bad 2', 'c']))).toEqual(wanted);
    expect(told('start')).toBe(3);
    expect(await within('the masks', masker.mask(['bad 2', 'bad 1']))).toEqual(['unclear', 'unclear']);
    expect(told('start')).toBe(3);
  },
);

test('[P29] a text that takes too long is masked whole, by a time that grows with what there is of it', async () => {
  const { masker, runtime, told } = maskingBy('for (;;);', { pieceMs: 1_000, unitsPerMs: 2 });
  const text = `bad${'x'.repeat(997)}`;
  const late = masker.mask(['a', text]);
  while (!runtime.late) await nextTurn();
  expect(runtime.lateMs).toBe(1_501);
  while (told('bad') === 0) await nextTurn();
  runtime.late();
  expect(await within('the masks', late)).toEqual(['a', 'unclear']);
});

test('[P29] where very many texts cannot be masked, all that are long are masked whole', async () => {
  const { masker, told } = maskingBy('process.exit(1)', { maxFailed: 2, surelyUnits: 10 });
  const bad = Array.from({ length: 9 }, (_, at) => `bad ${at} ${'x'.repeat(10)}`);
  expect(await within('the masks', masker.mask([...bad, 'short', 'y'.repeat(11)]))).toEqual([
    ...bad.map(() => 'unclear'),
    ...['short', 'unclear'],
  ]);
  expect(told('start')).toBe(4);
  // That is no text's fault.
  await expect(within('the masks', masker.mask(['bad', 'bad 1', 'bad 2']))).rejects.toThrow('masking ended');
});

test('[P29] a text of many million units with a secret in each line, and in the last, is masked', async () => {
  const { masker } = masking();
  const line = `const a_token = "${randomText(2, 20)}"; // é\n`;
  const [masked] = await masker.mask([item(line.repeat(2_000_000 / line.length) + secret)]);
  expect(masked).not.toContain(randomText(2, 20).slice(0, 8));
  expect(masked).toContain('[masked:github]');
});

test('one that has much to be masked lets others in between its pieces', async () => {
  const path = workerOf(
    "parentPort.on('message', ({ items }) => parentPort.postMessage({ masked: items, unmaskable: [] }));",
  );
  const { masker } = masking(path, { maxUnits: 1 });
  const order: string[] = [];
  const much = masker.mask(['a', 'b', 'c', 'd', 'e']).then(() => order.push('much'));
  const little = masker.mask(['x']).then(() => order.push('little'));
  await within('both', Promise.all([much, little]));
  expect(order).toEqual(['little', 'much']);
});

test('a signal ends the wait with its reason, for what is under way and for what waits; the others are masked', async () => {
  const { masker } = masking(workerOf(stuck));
  const [first, second] = [new AbortController(), new AbortController()];
  const under = masker.mask(['stuck'], first.signal);
  const waiting = masker.mask(['a'], second.signal);
  const last = masker.mask(['b']);
  second.abort(new Error('no more'));
  await expect(within('the waiting one', waiting)).rejects.toThrow('no more');
  first.abort(new Error('gone'));
  await expect(within('the one under way', under)).rejects.toThrow('gone');
  expect(await within('the last', last)).toEqual(['b']);
  await expect(masker.mask(['c'], first.signal)).rejects.toThrow('gone');
});

test('closing refuses what is under way, what waits and what comes', async () => {
  const { masker } = masking(workerOf(stuck));
  const calls = [masker.mask(['stuck']), masker.mask(['a'])];
  masker.close();
  for (const call of [...calls, masker.mask(['b'])])
    await expect(within('a refusal', call)).rejects.toMatchObject({ refusal: { refused: 'ShuttingDown' } });
  expect(masker.isAwake).toBe(false);
});

test('the worker is given a bounded piece at a time, and a larger item alone', async () => {
  const path = workerOf(
    "parentPort.on('message', ({ items }) => parentPort.postMessage({ masked: items.map(() => String(items.length)), unmaskable: [] }));",
  );
  const { masker } = masking(path, { maxUnits: 10 });
  expect(await masker.mask(['1234', '5678', '90', 'x'.repeat(50), '12'])).toEqual(['3', '3', '3', '1', '1']);
});
