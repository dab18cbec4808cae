// What every source promises (daemon/adapters/adapter.ts), as tests: called with its fixtures. The fixtures of a source are
// folders test/fixtures/<kind>/<case>/ with `input.<ext>`, the transcript, and `events.json`, the ops it must give.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadResult, Source, SourceOp, Transcript } from '../../daemon/adapters/adapter.ts';
import { linesOf, readInto, SourceFold, transcriptOf } from '../support/fold-source.ts';

export type SourceContract = {
  source: Source;
  /** Where the transcript of a case lies, below the source's folder; another number gives another session. */
  pathOf(name: string, session: number): string;
  /** Whether a file names its session by its path alone; else it is in the content, and two paths do not make two. */
  sessionByPath?: boolean;
};

type Case = { name: string; text: string; events: Actual };

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures');

export function casesOf(kind: string): Case[] {
  const folder = join(fixtures, kind);
  return readdirSync(folder).map((name) => {
    const input = readdirSync(join(folder, name)).find((file) => file.startsWith('input.'))!;
    const text = readFileSync(join(folder, name, input), 'utf8');
    const expected = join(folder, name, 'events.json');
    // A new fixture: written by SESSIOND_WRITE_FIXTURES=1, then read by a person, then committed.
    const events = existsSync(expected) ? JSON.parse(readFileSync(expected, 'utf8')) : undefined;
    return { name, text, events };
  });
}

type Actual = { badRecords: number; ops: SourceOp[] };

/** One op a line, so that a change of it can be read. */
export function writeEvents(kind: string, name: string, { badRecords, ops }: Actual): void {
  const lines = ops.map((op) => `    ${JSON.stringify(op)}`).join(',\n');
  const text = `{\n  "badRecords": ${badRecords},\n  "ops": [\n${lines}\n  ]\n}\n`;
  writeFileSync(join(fixtures, kind, name, 'events.json'), text);
}

/** The contract of sources that read lines. */
export function lineSourceContract(contract: SourceContract): void {
  const { source } = contract;
  const cases = casesOf(source.kind);
  const at = (name: string, session = 1) => transcriptOf(source, join(source.path, contract.pathOf(name, session)));
  const byName = cases.map((each) => [each.name, each] as const);

  describe(`the contract of sources: ${source.kind}`, () => {
    it.each(byName)('%s gives the ops that are written beside it', (name, { text, events }) => {
      const { results } = readWhole(source, at(name), text);
      const actual = { badRecords: sumBad(results), ops: nameIds(results.flatMap((result) => result.ops)) };
      if (process.env.SESSIOND_WRITE_FIXTURES) writeEvents(source.kind, name, actual);
      else expect(actual).toEqual(events);
    });

    it.each(byName)('%s, read line by line or in any bites, gives the same records', (name, { text }) => {
      const whole = readWhole(source, at(name), text).fold.list();
      const lines = linesOf(text);
      const everyLine = lines.map((_, index) => index);
      expect(readWhole(source, at(name), text, everyLine).fold.list()).toEqual(whole);
      fc.assert(
        fc.property(fc.subarray(everyLine), (cuts) => {
          expect(readWhole(source, at(name), text, cuts).fold.list()).toEqual(whole);
        }),
        { numRuns: 20 },
      );
    });

    it.each(byName)('%s, read again in any bites, changes nothing', (name, { text }) => {
      const { fold } = readWhole(source, at(name), text);
      const before = fold.changes;
      const everyLine = linesOf(text).map((_, index) => index);
      fc.assert(
        fc.property(fc.subarray(everyLine), (cuts) => {
          readInto(fold, source, at(name), linesOf(text), cuts);
          expect(fold.changes, JSON.stringify(fold.lastChange)).toBe(before);
        }),
        { numRuns: 20 },
      );
    });

    it.each(byName)(
      '%s: the same lines, state and records give the same, and the state is left as it was',
      (name, { text }) => {
        const transcript = at(name);
        const lines = linesOf(text);
        const half = lines.length >> 1;
        const first = source.read(transcript, lines.slice(0, half), undefined, new SourceFold(), true);
        const state = JSON.stringify(first.state);
        const fold = new SourceFold();
        for (const op of first.ops) fold.apply(op);
        const given = JSON.parse(state);
        const once = source.read(transcript, lines.slice(half), given, fold, true);
        expect(JSON.stringify(given)).toBe(state);
        expect(source.read(transcript, lines.slice(half), JSON.parse(state), fold, true)).toEqual(once);
      },
    );

    it.each(byName)('%s: what cannot be understood is kept whole, counted, and stops nothing', (name, { text }) => {
      const lines = linesOf(text);
      const plain = readWhole(source, at(name), text);
      fc.assert(
        fc.property(fc.nat({ max: lines.length }), fc.constantFrom('garbage', '{"torn":', '[1]', '7'), (place, bad) => {
          const cut = lines.slice(place).reduce((sum, line) => sum + line.text.length + 1, 0);
          const damaged = `${text.slice(0, text.length - cut)}${bad}\n${text.slice(text.length - cut)}`;
          const { fold, results } = readWhole(source, at(name), damaged);
          expect(sumBad(results)).toBe(sumBad(plain.results) + 1);
          const kept = [...fold.parts.values()].filter((part) => part.type === 'data' && isKept(part.value, bad));
          expect(kept.length).toBeGreaterThan(0);
          expect(fold.parts.size).toBe(plain.fold.parts.size + 1);
          expect(fold.messages.size).toBe(plain.fold.messages.size);
        }),
        { numRuns: 20 },
      );
    });

    it.each(byName)(
      '%s: never throws, whatever its records hold, and gives ops that the store takes',
      (name, { text }) => {
        const lines = linesOf(text);
        fc.assert(
          fc.property(fc.array(changeOf(lines.length), { maxLength: 5 }), (changes) => {
            const records = lines.map((line) => parse(line.text));
            for (const { line, path, value } of changes) setAt(records[line], path, structuredClone(value));
            const changed = records.map((record) => `${JSON.stringify(record)}\n`).join('');
            const { fold } = readWhole(source, at(name), changed);
            const before = fold.changes;
            readInto(fold, source, at(name), linesOf(changed));
            expect(fold.changes).toBe(before);
          }),
          { numRuns: 60 },
        );
      },
    );

    if (contract.sessionByPath !== false) {
      it.each(byName)('[P33] %s: a copy of it in another session shares no id with it', (name, { text }) => {
        const [one, other] = [1, 2].map((session) => idsOf(readWhole(source, at(name, session), text).fold)) as [
          string[],
          string[],
        ];
        expect(one.length).toBe(other.length);
        expect(one.filter((id) => other.includes(id))).toEqual([]);
      });
    }

    it.each(byName)('%s: every folder above it is entered', (name) => {
      const { path } = at(name);
      for (let folder = dirname(path); folder.startsWith(source.path); folder = dirname(folder))
        expect(source.enters(folder), folder).toBe(true);
    });
  });
}

function readWhole(source: Source, transcript: Transcript, text: string, cuts: number[] = []) {
  const fold = new SourceFold();
  return { fold, results: readInto(fold, source, transcript, linesOf(text), cuts) };
}

const sumBad = (results: ReadResult[]) => results.reduce((sum, { badRecords }) => sum + badRecords, 0);

const idsOf = (fold: SourceFold) => [String(fold.session?.sessionId), ...fold.messages.keys(), ...fold.parts.keys()];

function isKept(value: unknown, text: string): boolean {
  return value === text || JSON.stringify(value) === text;
}

/** Derived ids as names in the order of their first use, hashes in keys as `<hash>`: so that a fixture can be read. */
export function nameIds(ops: SourceOp[]): SourceOp[] {
  const names = new Map<string, string>();
  const text = JSON.stringify(ops)
    .replace(/"(ses|msg|prt)_[A-Za-z0-9_-]{22}"/g, (id, kind) => {
      if (!names.has(id)) names.set(id, `"${kind}-${[...names.values()].filter((n) => n.includes(kind)).length + 1}"`);
      return names.get(id)!;
    })
    .replace(/[A-Za-z0-9_-]{22}#/g, '<hash>#');
  return JSON.parse(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A change somewhere in one of the records: which value, by steps that are taken modulo what is there. */
function changeOf(lines: number) {
  return fc.record({
    line: fc.nat({ max: Math.max(0, lines - 1) }),
    path: fc.array(fc.nat({ max: 30 }), { maxLength: 5 }),
    value: fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(null, '', -1, 1e300, [], {}, '\ud800', '__proto__', [null], [{}], 'x'.repeat(300)),
    ),
  });
}

function setAt(record: unknown, path: number[], value: unknown): void {
  let holder = record as { [name: string]: unknown };
  for (const [depth, step] of path.entries()) {
    if (typeof holder !== 'object' || holder === null) return;
    const names = Object.keys(holder);
    if (names.length === 0) return;
    const name = names[step % names.length]!;
    const inner = holder[name];
    if (depth === path.length - 1 || typeof inner !== 'object' || inner === null) {
      holder[name] = value;
      return;
    }
    holder = inner as { [name: string]: unknown };
  }
}
