import { expect, test } from 'vitest';
import { within } from './deadline.ts';

test('[P37] a wait that does not end fails at its deadline, and says what was there instead', async () => {
  const never = new Promise<never>(() => {});
  const state = async () => ({ status: 'idle', events: [7] });
  await expect(within('the reply', never, state, 1)).rejects.toThrow(
    'waited 1 ms for the reply; instead: {"status":"idle","events":[7]}',
  );
});

test('[P37] a state that cannot be told does not hide what was waited for', async () => {
  const state = () => Promise.reject(new Error('the daemon is gone'));
  await expect(within('the reply', new Promise<never>(() => {}), state, 1)).rejects.toThrow('the daemon is gone');
});

test('[P37] a wait that ends in time gives its value, and one that fails its own error', async () => {
  expect(await within('a value', Promise.resolve(1))).toBe(1);
  await expect(within('a value', Promise.reject(new Error('no')))).rejects.toThrow('no');
});
