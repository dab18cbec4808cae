// Transcripts that change at random while the daemon reads them, and is killed and started again. What is promised then:
//
// - The store holds every record that a fresh daemon makes of the final files, and nothing that no state of a file gave.
// - A record that is put by keys which all stand in the final file is as the fresh daemon has it: the last version wins.
//   One of which a put is gone from the file (the later line of an answer was cut off) keeps what that put said: each of
//   its fields is one that it had in some state.
// - Two records are in the order of the final file if no state of it had the second without the first before it.
// - What was in a file when everything was looked at is held from then on, as is all that was once seen in the store.
// - Nothing is twice: a line without an id is there as often as in the state of the file that had most of it. Versions
//   have no gaps, and the journal folds to the tables.
// - One more restart and rescan makes no event.
//
// A file is written as agents write theirs; an edit changes what a record says, not its key. FUZZ_RUNS and FUZZ_SEED say
// how many runs, and which; a failure prints its seed and its steps.
import { cpSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client } from '../../protocol/client.ts';
import type { Event } from '../../protocol/schema.ts';
import type { How } from '../support/changing-file.ts';
import { ChangingFile } from '../support/changing-file.ts';
import { connectTo, startDaemon, testHome } from '../support/daemon.ts';
import type { Held } from '../support/everything.ts';
import { readEverything, takenIn } from '../support/everything.ts';
import { expectFolds, expectHeld, idsOf } from '../support/expect-held.ts';
import { folderOf, formats, sessionIdOf } from '../support/formats.ts';
import { History } from '../support/history.ts';
import type { Home } from '../support/home.ts';
import { Victim } from '../support/victim.ts';

const how = fc.constantFrom<How>('inPlace', 'newInode');
const place = fc.nat(30);
/** How much of it, in per cent. */
const part = fc.integer({ min: 0, max: 100 });
const failpoint = fc.tuple(
  fc.constantFrom('beforeCommit', 'afterCommit', 'beforeReply'),
  fc.integer({ min: 1, max: 4 }),
);

/** A change of the n-th file, or something that is done to the daemon. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 4 }), upTo: part }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append'), count: fc.constant(2), upTo: fc.constant(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat'), at: place }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut'), upTo: part }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drop'), at: place, how }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move'), at: place, to: place, how }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('edit'), at: place, how }) },
  fc.record({ do: fc.constant('replace') }),
  fc.record({ do: fc.constant('rename'), folder: fc.nat(2) }),
  fc.record({ do: fc.constant('remove') }),
  fc.record({ do: fc.constant('comeBack') }),
  fc.record({ do: fc.constant('fork') }),
  { weight: 4, arbitrary: fc.record({ do: fc.constant('turn') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('look') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill'), failpoint: fc.option(failpoint) }) },
);
type Step = {
  do: string;
  file: number;
  count?: number;
  upTo?: number;
  at?: number;
  to?: number;
  how?: How;
  folder?: number;
  failpoint?: [string, number] | null;
};
const steps = fc.array(
  fc.tuple(fc.nat(11), step).map(([file, each]): Step => ({ file, ...(each as object) }) as Step),
  { minLength: 30, maxLength: 60, size: 'max' },
);

const maxFiles = 12;

function change(files: ChangingFile[], file: ChangingFile, { do: what, ...given }: Step): void {
  const { count = 1, upTo = 100, at = 0, to = 0, how: by = 'inPlace', folder = 0 } = given;
  if (what === 'append') file.append(count, upTo / 100);
  else if (what === 'repeat') file.repeat(at);
  else if (what === 'cut') file.cut(upTo / 100);
  else if (what === 'drop') file.drop(at, by);
  else if (what === 'move') file.move(at, to, by);
  else if (what === 'edit') file.edit(at, by);
  else if (what === 'replace') file.replace();
  else if (what === 'rename') file.rename(folder);
  else if (what === 'remove') file.remove();
  else if (what === 'comeBack') file.comeBack();
  else if (what === 'fork' && files.length < maxFiles) files.push(file.fork(sessionIdOf(files.length)));
}

const allIds = (held: Map<string, Held>) => [...held.keys(), ...[...held.values()].flatMap(idsOf)];

async function play(home: Home, victim: Victim, changes: Step[]): Promise<ChangingFile[]> {
  const files = formats.map((format, n) => new ChangingFile(home, format, sessionIdOf(n)));
  for (const file of files) file.append(3, 1);
  const seen = new Set<string>();
  /** Whatever was seen before, and whatever is in the files now, is held. */
  const look = async () => {
    const held = await readAll(victim);
    for (const file of files)
      if (file.isThere) for (const id of new History(home, file, file.states.slice(-1)).lastIds) seen.add(id);
    const ids = new Set(allIds(held));
    expect(
      [...seen].filter((id) => !ids.has(id)),
      'is gone',
    ).toEqual([]);
    for (const id of ids) seen.add(id);
  };
  await victim.start();
  for (const each of changes) {
    if (each.do === 'kill') await victim.kill(each.failpoint?.join(':'));
    else if (each.do === 'turn') await victim.ask((client) => client.call('daemon/status', {}));
    else if (each.do === 'look') await look();
    else change(files, files[each.file % files.length]!, each);
  }
  await look();
  return files;
}

/** All that the daemon holds when it has looked at everything. */
function readAll(victim: Victim): Promise<Map<string, Held>> {
  return victim.ask(async (client) => {
    await takenIn(client);
    return readEverything(client);
  });
}

/** What a daemon that sees the files for the first time makes of them. */
async function readClean(home: Home): Promise<Map<string, Held>> {
  const clean = testHome();
  for (const { kind } of formats)
    cpSync(folderOf(home, kind), folderOf(clean, kind), { recursive: true, preserveTimestamps: true });
  const daemon = await startDaemon(clean);
  const client = await connectTo(clean);
  await takenIn(client);
  const held = await readEverything(client);
  client.close();
  await daemon.kill('SIGKILL');
  clean.remove();
  return held;
}

async function readJournal(client: Client): Promise<Event[]> {
  const events: Event[] = [];
  let after = (await client.call('daemon/status', {})).earliest;
  for (let more = true; more; ) {
    const page = await client.call('events/read', { after, limit: 1_000 });
    events.push(...page.events);
    after = page.cursor;
    more = page.more;
  }
  return events;
}

test('files that change at random under a daemon that is killed: the store is a clean read and what was removed [P26, P25, P33]', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (changes) => {
      const home = testHome();
      const victim = new Victim(home);
      const files = await play(home, victim, changes);
      const held = await readAll(victim);
      const clean = await readClean(home);
      const known = new Set<string>();
      for (const file of files) {
        const history = new History(home, file);
        const session = [...held.values()].find(
          ({ session }) => session.agent === file.format.kind && session.origin?.externalId === file.sessionId,
        );
        const now = session && clean.get(session.session.id);
        if (session) expectHeld(session, now, history);
        if (session) known.add(session.session.id);
      }
      expect(
        [...held.keys()].filter((id) => !known.has(id)),
        'sessions of no file',
      ).toEqual([]);
      expect(
        [...clean.keys()].filter((id) => !held.has(id)),
        'sessions that are in the files',
      ).toEqual([]);
      expectFolds(await victim.ask(readJournal), held);

      const head = await victim.ask(async (client) => (await client.call('daemon/status', {})).head);
      await victim.kill();
      await victim.ask(takenIn);
      expect(await victim.ask(async (client) => (await client.call('daemon/status', {})).head)).toBe(head);
      await victim.end();
      home.remove();
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 7), seed: Number(process.env.FUZZ_SEED ?? 1), endOnFailure: true },
  );
}, 3_600_000);
