// What is searched was written by others: no text takes more than time that grows with it.
import { expect, test } from 'vitest';
import type { Rule } from '../../daemon/core/mask/rule.ts';
import { allRules, masking, randomText } from './secrets-made.ts';

const small = 1 << 17;
const large = 1 << 20;

/** As many as fit. */
const filled = (piece: string, length: number) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);

const pieces = [
  ...['a', '0', '=', '-', '"', '\\', ' ', '\n', '/', '@', ':', '.', '_', '%20', '\\"', '\\n', '\u001b[0m', 'a.', 'a-', 'a_', 'a:', '1a'],
  ...['eyJ', 'eyJaaaaaaaa.', 'eyJaaaaaaaa.b.', 'sk-', 'sk-a-', 'sk-ant-', 'ghp_', 'github_pat_', 'xoxb-', 'xoxb-1-', 'xapp-1-', 'AKIA'],
  ...['AKIAAAAAAAAAAAAAAAAA', 'SG.', 'SG.aaaaaaaaaaaaaaaaa.', 'cap_', 'cap_a.', 'cap_a.1.', 'hooks.slack.com/services/', '1//0', 'M.', 'aaaQ~'],
  ...['://', '://a:', '://a:a@', 'https://', 'https://a:', 'postgres://a:b', 'mongodb://', '://:@', 'x-oauth-basic@'],
  ...['password=', 'password="', "password='", 'password=\\"', 'password="password=\'password=`', 'password: ', 'password:string=', 'secret_key_base_', 'PASSWORD='],
  ...['token\n', 'token value', 'token"value":', 'token,\\n\\n', 'token =', 'token = ', '--', '--a', '--token ', '--token",', '-u ', '-u a:', '_KEY=', 'A_KEY=', 'os.environ["TOKEN"]'],
  ...['Bearer ', 'Bearer a', 'Basic ', 'Basic aaaaaaaa', 'cookie: ', 'cookie: a=', 'login a password ', 'login ', 'secretaccesskey', 'aws_secret_access_key='],
  ...['-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----', '-----BEGIN PRIVATE KEY-----\n', '-----BEGIN A B C D PRIVATE KEY-----aB3'],
  ...[`-----BEGIN PRIVATE KEY-----\n${randomText(1, 64)}\n`, `${randomText(1, 64)}\n-----END PRIVATE KEY-----\n`, `${randomText(2, 40)} `, 'AKIAABCDEFGHIJKLMNOP ' + randomText(3, 40)],
  ...['[masked:', '[masked:github]', '[masked:github]a', 'password=[masked:github]', 'secretlint-disable\n', 'data:text/plain;base64,'],
];
const levels = Array.from({ length: 400 }, (_, level) => `password=${'\\'.repeat(level)}"`);
/** One thing at the begin, and then what it may go on with. */
const starts = ['password="', '://a:', 'eyJ', 'cap_', 'sk-ant-', 'cookie: a=', 'Bearer ', '-----BEGIN PRIVATE KEY-----\n', 'token', 'data:text/plain;base64,'];

const texts: [name: string, make: (length: number) => string][] = [
  ...pieces.map((piece): [string, (length: number) => string] => [piece, (length) => filled(piece, length)]),
  ...starts.flatMap((start) =>
    ['a', '\\', ' ', 'a1B2', 'a.'].map((piece): [string, (length: number) => string] => {
      return [`${start}${piece}…`, (length) => start + filled(piece, length)];
    }),
  ),
  ['quotes escaped more and more often', (length) => filled(levels.join(''), length)],
  ['quotes escaped less and less often', (length) => filled(levels.toReversed().join(''), length)],
];

/** The best of some, ms. */
function timeOf(rule: Rule, text: string): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run += 1) {
    const begin = performance.now();
    for (const _ of rule(text)) {
      // all of it is looked at
    }
    best = Math.min(best, performance.now() - begin);
  }
  return best;
}

test.each(allRules.map((rule, index) => [index, rule] as const))('[P29] rule %i takes time that grows as the text does, and no faster', (_, rule) => {
  for (const [name, make] of texts) {
    const before = timeOf(rule, make(small));
    const after = timeOf(rule, make(large));
    // Eight times the text. What takes less than 4 ms is too short to tell; what is quadratic takes 64 times as long.
    expect(after / Math.max(before, 4), `${JSON.stringify(name.slice(0, 40))}: ${before} ms, ${after} ms`).toBeLessThan(32);
  }
}, 300_000);

test('[P29] masking a text takes time that grows as the text does, and no faster', () => {
  const whole: Rule = (text) => (masking.mask(text) === '' ? [] : []);
  for (const [name, make] of texts) {
    const before = timeOf(whole, make(small));
    const after = timeOf(whole, make(large));
    expect(after / Math.max(before, 4), `${JSON.stringify(name.slice(0, 40))}: ${before} ms, ${after} ms`).toBeLessThan(32);
  }
}, 300_000);
