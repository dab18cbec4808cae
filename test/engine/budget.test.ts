import { expect, test } from 'vitest';
import { claudeCodeSource } from '../../daemon/adapters/sources/claude-code.ts';
import { Budget } from '../../daemon/engine/budget.ts';
import { Ingest } from '../../daemon/engine/ingest.ts';
import { Positions } from '../../daemon/store/positions.ts';
import { testHome } from '../support/daemon.ts';
import { HandRuntime, openRecords, readTables } from '../support/records.ts';
import { append, line, transcriptPath } from '../support/transcript.ts';

/** Who has been let in so far, and how each gives back what it took. */
function takers(budget: Budget, ...sizes: number[]) {
  const held: number[] = [];
  const release: (() => void)[] = [];
  for (const [index, bytes] of sizes.entries())
    void budget.take(bytes).then((end) => {
      held.push(index);
      release[index] = end;
    });
  return { held, release };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('no more is held at once than there is, in the order of asking', async () => {
  const { held, release } = takers(new Budget(10), 4, 6, 1, 9);
  await turn();
  expect(held).toEqual([0, 1]);
  release[0]!();
  await turn();
  expect(held).toEqual([0, 1, 2]); // nor is 1 let in before its turn, though the last one still waits
  release[1]!();
  await turn();
  expect(held).toEqual([0, 1, 2, 3]);
});

test('more than there is is held alone, and told when it was given back', async () => {
  const told: string[] = [];
  const { held, release } = takers(new Budget(10, () => told.push('large')), 3, 1_000, 1);
  await turn();
  expect(held).toEqual([0]);
  release[0]!();
  await turn();
  expect(held).toEqual([0, 1]);
  expect(told).toEqual([]);
  release[1]!();
  expect(told).toEqual(['large']);
  await turn();
  expect(held).toEqual([0, 1, 2]);
});

test('what was given back twice counts once', async () => {
  const { held, release } = takers(new Budget(10), 10, 6, 6);
  await turn();
  release[0]!();
  release[0]!();
  await turn();
  expect(held).toEqual([0, 1]);
});

test('files of which each is more than the budget are read one after another', async () => {
  const home = testHome();
  for (const id of ['a', 'b', 'c', 'd', 'e']) append(transcriptPath(home.claude, id), line(id, 'user', 'one'));
  const records = openRecords(home.paths.data, new HandRuntime());
  let held = 0;
  const most: number[] = [];
  const budget = new Budget(1);
  const take = budget.take.bind(budget);
  budget.take = async (bytes) => {
    const release = await take(bytes);
    held += 1;
    most.push(held);
    return () => {
      held -= 1;
      release();
    };
  };
  const ingest = new Ingest(claudeCodeSource(home.claude), {
    writer: records.writer,
    tables: records.tables,
    ledger: records.writer.ledger,
    positions: new Positions(records.db),
    runtime: records.runtime,
    budget,
  });
  const abort = new AbortController();
  const running = ingest.run(abort.signal);
  await ingest.rescan();
  abort.abort();
  await running;
  expect(readTables(records).size).toBe(5);
  expect(most).toEqual([1, 1, 1, 1, 1]);
  expect(held).toBe(0);
});
