// When a file that could not be read is worth to be read again.
import { expect, test } from 'vitest';
import { Unread } from '../../daemon/engine/unread.ts';

const file = { inode: 1, size: 10, mtimeMs: 5, ctimeMs: 5 };
const grown = { ...file, size: 11 };

test('what waits is due when it changed, or when one of the things that it asked for came, once', () => {
  const unread = new Unread();
  expect(unread.dueAt('a', file)).toBeUndefined();
  unread.put('a', { file, bytes: 10, awaits: ['x', 'y'] });
  unread.put('b', { file, bytes: 3, awaits: ['y'] });
  expect(unread.bytes).toBe(13);
  expect(unread.dueAt('a', file)).toBe(Number.POSITIVE_INFINITY);
  expect(unread.dueAt('a', grown)).toBe(0);
  for (const change of [{ inode: 2 }, { mtimeMs: 6 }, { ctimeMs: 6 }])
    expect(unread.dueAt('a', { ...file, ...change })).toBe(0);
  unread.arrived([{ opId: 'z' }]);
  expect(unread.woken()).toEqual([]);
  unread.arrived([{ opId: 'x' }]);
  expect(unread.woken()).toEqual(['a']);
  expect(unread.dueAt('a', file)).toBe(0);
  unread.put('a', { file, bytes: 10, awaits: ['y'] });
  expect(unread.woken()).toEqual([]);
  unread.arrived([{ opId: 'y' }]);
  expect(unread.woken().toSorted()).toEqual(['a', 'b']);
  unread.forget('a');
  unread.forget('b');
  unread.arrived([{ opId: 'y' }]);
  expect(unread.woken()).toEqual([]);
  expect(unread.bytes).toBe(0);
});

test('what failed is due after a second, then after twice as long each time, up to the longest', () => {
  const unread = new Unread();
  const due: number[] = [];
  for (let now = 0; due.length < 5; now = due.at(-1)!) {
    expect(unread.fail('a', { file, bytes: 10 }, 'torn', now, 5_000)).toBe(due.length === 0);
    due.push(unread.dueAt('a', file)!);
  }
  expect(due).toEqual([1_000, 3_000, 7_000, 12_000, 17_000]);
  expect(unread.lastError).toBe('torn');
  expect(unread.fail('a', { file, bytes: 10 }, 'another', 0, 5_000)).toBe(true);
  unread.forget('a');
  expect(unread.lastError).toBeUndefined();
});

test('[P24] what was read in vain is left alone ten times as long as that took, unless a person asks', () => {
  const unread = new Unread();
  unread.put('a', { file, bytes: 10 });
  expect(unread.rest('a', 700, 10_000)).toBe(17_000);
  expect(unread.dueAt('a', grown)).toBe(17_000);
  unread.fail('b', { file, bytes: 10 }, 'torn', 10_000, 5_000);
  unread.retryNow(10_500);
  expect(unread.dueAt('a', grown)).toBe(10_500);
  expect(unread.dueAt('a', file)).toBe(Number.POSITIVE_INFINITY);
  expect(unread.dueAt('b', file)).toBe(10_500);
  expect(unread.rest('c', 700, 0)).toBeUndefined();
});
