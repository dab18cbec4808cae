// The file sink: JSON lines, whole batches, each once.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Outgoing } from '../../../daemon/adapters/adapter.ts';
import { FileSink } from '../../../daemon/adapters/sinks/file.ts';
import { filePathOf, SinkUrlError } from '../../../daemon/adapters/sinks/url.ts';
import { sinkContract } from '../../contract/sink.ts';
import { afterTest } from '../../support/daemon.ts';

const never = new AbortController().signal;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sd-sink-'));
  afterTest(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const linesOf = (path: string) =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    : [];

const batchOf = (name: string, count: number, size = 0): Outgoing => ({
  ...{ origin: 'home', batchId: name, through: 'home.1.0' },
  items: JSON.stringify(Array.from({ length: count }, (_, at) => ({ opId: `${name}/${at}`, text: 'x'.repeat(size) }))),
});
const idsOf = (path: string) => linesOf(path).map(({ opId }) => opId);
const ids = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}/${at}`);

sinkContract('file', async () => {
  const path = join(folder(), 'below', 'out.jsonl');
  return {
    open: () => new FileSink(path),
    held: async () => linesOf(path).map(({ opId, events: [event] }) => ({ opId, data: event.data })),
    deliverCut: async (outgoing, cut) => {
      const before = existsSync(path) ? statSync(path).size : 0;
      await new FileSink(path).deliver(outgoing, never);
      const whole = statSync(path).size;
      if (cut === 'middle') truncateSync(path, before + Math.floor((whole - before) / 2));
    },
  };
});

describe('a file sink', () => {
  it('writes one item a line, with the batch and the store it is of, for its owner alone', async () => {
    const path = join(folder(), 'below', 'out.jsonl');
    await new FileSink(path).deliver(batchOf('b1', 2), never);
    expect(linesOf(path)).toEqual([
      { origin: 'home', batchId: 'b1', opId: 'b1/0', text: '' },
      { origin: 'home', batchId: 'b1', opId: 'b1/1', text: '' },
    ]);
    expect([statSync(path).mode & 0o777, statSync(join(path, '..')).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it.each([0, 10, 70_000])('finds the batch that it wrote last, of lines with %s bytes of text', async (size) => {
    const path = join(folder(), 'out.jsonl');
    const sink = new FileSink(path);
    await sink.deliver(batchOf('b1', 3, size), never);
    for (let again = 0; again < 3; again += 1) await sink.deliver(batchOf('b10', 5, size), never);
    await sink.deliver(batchOf('b1', 3, size), never);
    expect(idsOf(path)).toEqual([...ids('b1', 3), ...ids('b10', 5), ...ids('b1', 3)]);
  });

  it('cuts a last line that is torn, wherever', async () => {
    const path = join(folder(), 'out.jsonl');
    const sink = new FileSink(path);
    await sink.deliver(batchOf('b1', 2, 50), never);
    const before = statSync(path).size;
    await sink.deliver(batchOf('b2', 2, 50), never);
    for (let size = statSync(path).size - 1; size >= before; size -= 1) {
      truncateSync(path, size);
      await sink.deliver(batchOf('b2', 2, 50), never);
      expect(idsOf(path)).toEqual([...ids('b1', 2), ...ids('b2', 2)]);
    }
    truncateSync(path, before - 1);
    await sink.deliver(batchOf('b2', 1), never);
    expect(idsOf(path)).toEqual(['b1/0', 'b2/0']);
  });

  it('cuts a torn line that is all there is', async () => {
    const path = join(folder(), 'out.jsonl');
    writeFileSync(path, 'x'.repeat(200_000));
    await new FileSink(path).deliver(batchOf('b1', 1), never);
    expect(idsOf(path)).toEqual(['b1/0']);
  });

  it('begins a new file beyond a size, and removes none', async () => {
    const home = folder();
    const path = join(home, 'out.jsonl');
    writeFileSync(join(home, 'out.jsonl.old'), 'not ours');
    const sink = new FileSink(path, 100);
    for (let at = 1; at <= 12; at += 1) await sink.deliver(batchOf(`b${at}`, 1, 100), never);
    expect(readdirSync(home)).toHaveLength(13);
    expect(idsOf(path)).toEqual(['b12/0']);
    expect(idsOf(`${path}.1`)).toEqual(['b1/0']);
    expect(idsOf(`${path}.11`)).toEqual(['b11/0']);
  });

  it('[P13] does not double a batch whose acknowledgement was lost, also where the file is due to be renamed', async () => {
    const home = folder();
    const path = join(home, 'out.jsonl');
    const sink = new FileSink(path, 100);
    await sink.deliver(batchOf('b1', 1, 100), never);
    await sink.deliver(batchOf('b1', 1, 100), never);
    await sink.deliver(batchOf('b2', 1, 100), never);
    await sink.deliver(batchOf('b2', 1, 100), never);
    expect(readdirSync(home).toSorted()).toEqual(['out.jsonl', 'out.jsonl.1']);
    expect([idsOf(`${path}.1`), idsOf(path)]).toEqual([['b1/0'], ['b2/0']]);
    // It was renamed, and nothing of the next was written.
    rmSync(path);
    await sink.deliver(batchOf('b2', 1, 100), never);
    expect([idsOf(`${path}.1`), idsOf(path)]).toEqual([['b1/0'], ['b2/0']]);
  });

  it('tells what must be mended where it cannot write', async () => {
    const home = folder();
    mkdirSync(join(home, 'folder'));
    writeFileSync(join(home, 'file'), '');
    for (const path of [join(home, 'folder'), join(home, 'file', 'below')]) {
      expect(await new FileSink(path).deliver(batchOf('b1', 1), never)).toMatchObject({ kind: 'refused' });
    }
    expect(await new FileSink('/dev/null').deliver(batchOf('b1', 1), never)).toMatchObject({
      ...{ kind: 'refused', reason: expect.stringMatching(/is no file/) },
    });
  });

  it('is given as a path or as a url', () => {
    expect(filePathOf('/a b/c.jsonl')).toBe('/a b/c.jsonl');
    expect(filePathOf('file:///a%20b/c.jsonl')).toBe('/a b/c.jsonl');
    for (const url of ['out.jsonl', './x', 'file://host/x', 'http://x', '', 'file:///%2f']) {
      expect(() => filePathOf(url)).toThrow(SinkUrlError);
    }
  });
});
