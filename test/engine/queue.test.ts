import { expect, test } from 'vitest';
import { Queue } from '../../daemon/engine/queue.ts';

const item = (path: string, mtimeMs: number, order?: string) => ({ path, mtimeMs, order });

function drain(queue: Queue<ReturnType<typeof item>>): string[] {
  const paths: string[] = [];
  for (let next = queue.next(new Set()); next; next = queue.next(new Set())) {
    paths.push(next.path);
    queue.remove(next);
  }
  return paths;
}

test('gives the newest first, and ordered documents behind, in their order', () => {
  const queue = new Queue<ReturnType<typeof item>>();
  for (const each of [item('p2', 9, '2'), item('old', 1), item('p1', 5, '1'), item('new', 3), item('p3', 1, '3')])
    queue.add(each);
  expect(queue.size).toBe(5);
  expect(drain(queue)).toEqual(['new', 'old', 'p1', 'p2', 'p3']);
});

test('a path that waits is replaced, one that is busy is passed over, and counts until it is removed', () => {
  const queue = new Queue<ReturnType<typeof item>>();
  queue.add(item('a', 1));
  queue.add(item('b', 2));
  const first = queue.next(new Set())!;
  expect(first.path).toBe('b');
  queue.add(item('b', 7));
  expect(queue.next(new Set(['b']))!.path).toBe('a');
  expect(queue.size).toBe(2);
  queue.remove(first); // not the one that took its place
  expect(queue.size).toBe(2);
  expect(queue.next(new Set())!.mtimeMs).toBe(7);
});
