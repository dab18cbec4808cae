// That the values made from the schemas are those that they take: what is refused before a handler sees it tests no handler.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { methods } from '../../protocol/methods.ts';
import { fromSchema } from './from-schema.ts';

it('values made from the params of each method are taken by them', () => {
  for (const [name, { params }] of Object.entries(methods)) {
    for (const value of fc.sample(fromSchema(params), { seed: 1, numRuns: 50 })) {
      expect(params.safeParse(value), `${name} ${JSON.stringify(value)}`).toMatchObject({ success: true });
    }
  }
});
