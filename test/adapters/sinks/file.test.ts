// The file sink: JSON lines, whole batches, each once.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Outgoing } from '../../../daemon/adapters/adapter.ts';
import { FileSink } from '../../../daemon/adapters/sinks/file.ts';
import { filePathOf, SinkUrlError } from '../../../daemon/adapters/sinks/url.ts';
import { sinkMaker } from '../../../daemon/sink-kinds.ts';
import { sinkContract } from '../../contract/sink.ts';
import { testFolder } from '../../support/daemon.ts';

const never = new AbortController().signal;

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
/** But for locks. */
const filesIn = (path: string) => readdirSync(path).filter((name) => !name.includes('.lock.'));

/** By a sink that is opened for it. */
async function writeOnce(path: string, outgoing: Outgoing) {
  const sink = new FileSink(path);
  try {
    return await sink.deliver(outgoing, never);
  } finally {
    await sink.close();
  }
}

const idsOf = (path: string) => linesOf(path).map(({ opId }) => opId);
const ids = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}/${at}`);

sinkContract('file', async () => {
  const path = join(testFolder(), 'below', 'out.jsonl');
  let latest: FileSink | undefined;
  return {
    open: () => {
      // As when a process is killed: what it held is free.
      void latest?.close();
      latest = new FileSink(path);
      return latest;
    },
    held: async () => linesOf(path).map(({ opId, events: [event] }) => ({ opId, data: event.data })),
    deliverCut: async (outgoing, cut) => {
      await latest?.close();
      const before = existsSync(path) ? statSync(path).size : 0;
      await writeOnce(path, outgoing);
      const whole = statSync(path).size;
      if (cut === 'middle') truncateSync(path, before + Math.floor((whole - before) / 2));
    },
  };
});

describe('a file sink', () => {
  it('writes one item a line, with the batch and the store it is of, for its owner alone', async () => {
    const path = join(testFolder(), 'below', 'out.jsonl');
    await new FileSink(path).deliver(batchOf('b1', 2), never);
    expect(linesOf(path)).toEqual([
      { origin: 'home', batchId: 'b1', opId: 'b1/0', text: '' },
      { origin: 'home', batchId: 'b1', opId: 'b1/1', text: '' },
    ]);
    expect([statSync(path).mode & 0o777, statSync(join(path, '..')).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it.each([0, 10, 70_000])('finds the batch that it wrote last, of lines with %s bytes of text', async (size) => {
    const path = join(testFolder(), 'out.jsonl');
    const sink = new FileSink(path);
    await sink.deliver(batchOf('b1', 3, size), never);
    for (let again = 0; again < 3; again += 1) await sink.deliver(batchOf('b10', 5, size), never);
    await sink.deliver(batchOf('b1', 3, size), never);
    expect(idsOf(path)).toEqual([...ids('b1', 3), ...ids('b10', 5), ...ids('b1', 3)]);
  });

  it('cuts a last line that is torn, wherever', async () => {
    const path = join(testFolder(), 'out.jsonl');
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

  it('cuts a torn line of its own that is all there is', async () => {
    const path = join(testFolder(), 'out.jsonl');
    for (const size of [12, 18, 30, 60]) {
      rmSync(path, { force: true });
      await writeOnce(path, batchOf('b1', 1, 100));
      truncateSync(path, size);
      await writeOnce(path, batchOf('b1', 2));
      expect(idsOf(path)).toEqual(ids('b1', 2));
    }
  });

  it.each([
    ['one line without an end', 'my notes, one line'],
    ['lines', 'a = 1\nb = 2\n'],
    ['lines of JSON', '{"a":1}\n{"origin":"home","batchId":"b0","opId":"x"}\n'],
    ['a database', `SQLite format 3\0${'\0'.repeat(5_000)}`],
    ['a line that begins as ours do', '{"origin":"Berlin","to":"Rome"}'],
    ['an empty line', '\n'],
  ])('[P12] refuses a file that it did not write, and leaves it as it is: %s', async (_, text) => {
    const path = join(testFolder(), 'theirs');
    writeFileSync(path, text);
    const reason = expect.stringMatching(/give the sink/);
    expect(await writeOnce(path, batchOf('b1', 1))).toEqual({ kind: 'refused', reason });
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(filesIn(join(path, '..'))).toEqual(['theirs']);
  });

  it('[P12] cuts no last line that is not of its store', async () => {
    const path = join(testFolder(), 'out.jsonl');
    await writeOnce(path, batchOf('b1', 1));
    for (const tail of ['a note', '{"origin":"house","batchId":"b2","op', '{"origin":"hom"']) {
      const text = `${readFileSync(path, 'utf8').split('\n')[0]}\n${tail}`;
      writeFileSync(path, text);
      expect(await writeOnce(path, batchOf('b2', 1))).toMatchObject({ kind: 'refused' });
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  it('[P12] refuses a second sink on one file, however its path is written, until the first is closed', async () => {
    const home = testFolder();
    const path = join(home, 'out.jsonl');
    const first = new FileSink(path);
    await first.deliver(batchOf('b1', 1), never);
    mkdirSync(join(home, 'below'));
    symlinkSync(home, join(home, 'folder'));
    symlinkSync('out.jsonl', join(home, 'link'));
    for (const same of [path, join(home, 'folder', 'out.jsonl'), join(home, 'link'), `${home}/below/../out.jsonl`]) {
      const second = new FileSink(same);
      const reason = expect.stringContaining(`the process ${process.pid}`);
      expect(await second.deliver(batchOf('b2', 1), never)).toEqual({ kind: 'refused', reason });
      await second.close();
    }
    await first.deliver(batchOf('b3', 1), never);
    await first.close();
    expect(await writeOnce(join(home, 'link'), batchOf('b4', 1))).toMatchObject({ kind: 'acked' });
    expect(idsOf(path)).toEqual(['b1/0', 'b3/0', 'b4/0']);
  });

  it('a file whose sink was killed may be written by the next', async () => {
    const path = join(testFolder(), 'out.jsonl');
    // A process that is no more.
    const { pid } = spawnSync(process.execPath, ['--version']);
    writeFileSync(`${path}.lock.1`, `${pid} 1 some-boot`);
    expect(await writeOnce(path, batchOf('b1', 1))).toMatchObject({ kind: 'acked' });
  });

  it('closes also where its folder is gone', async () => {
    const home = join(testFolder(), 'below');
    const sink = new FileSink(join(home, 'out.jsonl'));
    await sink.deliver(batchOf('b1', 1), never);
    rmSync(home, { recursive: true });
    await sink.close();
  });

  it('is refused when it is added, for what it must not write to', () => {
    const home = testFolder();
    const own = join(home, 'own');
    mkdirSync(own);
    const make = sinkMaker({ now: () => 0, sleep: async () => {} }, [own]);
    writeFileSync(join(home, 'notes'), 'mine');
    writeFileSync(join(home, 'empty'), '');
    symlinkSync(own, join(home, 'there'));
    symlinkSync(join(home, 'nothing'), join(home, 'dangling'));
    spawnSync('mkfifo', [join(home, 'fifo')]);
    const bad = ['notes', 'own/x', 'own/below/x', 'own', 'there/x', 'there/../own/x', '.', 'dangling', 'fifo'];
    for (const name of bad) expect(() => make('file', `${home}/${name}`, undefined), name).toThrow(SinkUrlError);
    expect(() => make('file', '/dev/null', undefined)).toThrow(SinkUrlError);
    for (const name of ['empty', 'new', 'below/new', 'owner', '..own']) make('file', join(home, name), undefined);
    expect(readFileSync(join(home, 'notes'), 'utf8')).toBe('mine');
  });

  it('begins a new file beyond a size, and removes none', async () => {
    const home = testFolder();
    const path = join(home, 'out.jsonl');
    writeFileSync(join(home, 'out.jsonl.old'), 'not ours');
    const sink = new FileSink(path, 100);
    for (let at = 1; at <= 12; at += 1) await sink.deliver(batchOf(`b${at}`, 1, 100), never);
    expect(filesIn(home)).toHaveLength(13);
    expect(idsOf(path)).toEqual(['b12/0']);
    expect(idsOf(`${path}.1`)).toEqual(['b1/0']);
    expect(idsOf(`${path}.11`)).toEqual(['b11/0']);
  });

  it('[P13] does not double a batch whose acknowledgement was lost, also where the file is due to be renamed', async () => {
    const home = testFolder();
    const path = join(home, 'out.jsonl');
    const sink = new FileSink(path, 100);
    await sink.deliver(batchOf('b1', 1, 100), never);
    await sink.deliver(batchOf('b1', 1, 100), never);
    await sink.deliver(batchOf('b2', 1, 100), never);
    await sink.deliver(batchOf('b2', 1, 100), never);
    expect(filesIn(home).toSorted()).toEqual(['out.jsonl', 'out.jsonl.1']);
    expect([idsOf(`${path}.1`), idsOf(path)]).toEqual([['b1/0'], ['b2/0']]);
    // It was renamed, and nothing of the next was written.
    rmSync(path);
    await sink.deliver(batchOf('b2', 1, 100), never);
    expect([idsOf(`${path}.1`), idsOf(path)]).toEqual([['b1/0'], ['b2/0']]);
  });

  it('tells what must be mended where it cannot write', async () => {
    const home = testFolder();
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
