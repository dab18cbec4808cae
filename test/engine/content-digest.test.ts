// What two sendings of one op are compared by: the same text that RFC 8785 gives, whichever way it is made.
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalText, contentDigest } from '../../daemon/engine/content-digest.ts';

const names = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.nat(20).map(String),
  fc.constantFrom('a', 'B', '-1', '01', ''),
);
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, fc.option(tie('value'), { nil: undefined }), { maxKeys: 6 }),
  ),
})).value;

test('[P14] the text that an op is told apart by is its RFC 8785 form', () => {
  fc.assert(
    fc.property(fc.dictionary(names, values, { noNullPrototype: true }), (params) => {
      expect(canonicalText({ params })).toBe(canonicalize({ params }));
    }),
    { numRuns: 2_000 },
  );
});

test('[P14] members named by numbers, and one named __proto__, are told apart and ordered as others', () => {
  const numbered = { '9': 1, '10': 2, b: 3 };
  expect(canonicalText({ deep: [numbered] })).toBe('{"deep":[{"10":2,"9":1,"b":3}]}');
  const odd = JSON.parse('{"__proto__":{"x":1},"a":2}') as object;
  expect(canonicalText(odd)).toBe('{"__proto__":{"x":1},"a":2}');
});

test('[P14] the digest of an op is what it was in earlier versions', () => {
  const digest = contentDigest({ type: 'part/put', params: { b: [1, { z: 'é', a: null }], a: undefined } });
  expect(digest.toString('hex')).toBe('c3a99050e082f9865ec1207da279e025bdbee34b82df8381a23aae8353e48abd');
});
