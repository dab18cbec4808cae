// What is searched was written by others: no text takes more than time that grows with it.
import { expect, test } from 'vitest';
import type { Rule } from '../../daemon/core/mask/rule.ts';
import { allRules, masking, randomText } from './secrets-made.ts';

/** As many as fit. */
const filled = (piece: string, length: number) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);

const pieces = [
  ...[
    'a',
    '0',
    '=',
    '-',
    '"',
    '\\',
    ' ',
    '\n',
    '/',
    '@',
    ':',
    '.',
    '_',
    '%20',
    '\\"',
    '\\n',
    '\u001b[0m',
    'a.',
    'a-',
    'a_',
    'a:',
    '1a',
  ],
  ...[
    'eyJ',
    'eyJaaaaaaaa.',
    'eyJaaaaaaaa.b.',
    'sk-',
    'sk-a-',
    'sk-ant-',
    'ghp_',
    'github_pat_',
    'xoxb-',
    'xoxb-1-',
    'xapp-1-',
    'AKIA',
  ],
  ...[
    'AKIAAAAAAAAAAAAAAAAA',
    'SG.',
    'SG.aaaaaaaaaaaaaaaaa.',
    'cap_',
    'cap_a.',
    'cap_a.1.',
    'hooks.slack.com/services/',
    '1//0',
    'M.',
    'aaaQ~',
  ],
  ...['://', '://a:', '://a:a@', 'https://', 'https://a:', 'postgres://a:b', 'mongodb://', '://:@', 'x-oauth-basic@'],
  ...[
    'password=',
    'password="',
    "password='",
    'password=\\"',
    'password="password=\'password=`',
    'password: ',
    'password:string=',
    'secret_key_base_',
    'PASSWORD=',
  ],
  ...[
    'token\n',
    'token value',
    'token"value":',
    'token,\\n\\n',
    'token =',
    'token = ',
    '--',
    '--a',
    '--token ',
    '--token",',
    '-u ',
    '-u a:',
    '_KEY=',
    'A_KEY=',
    'os.environ["TOKEN"]',
  ],
  ...[
    'Bearer ',
    'Bearer a',
    'Basic ',
    'Basic aaaaaaaa',
    'cookie: ',
    'cookie: a=',
    'login a password ',
    'login ',
    'secretaccesskey',
    'aws_secret_access_key=',
  ],
  ...[
    '-----BEGIN PRIVATE KEY-----',
    '-----END PRIVATE KEY-----',
    '-----BEGIN PRIVATE KEY-----\n',
    '-----BEGIN A B C D PRIVATE KEY-----aB3',
  ],
  ...[
    `-----BEGIN PRIVATE KEY-----\n${randomText(1, 64)}\n`,
    `${randomText(1, 64)}\n-----END PRIVATE KEY-----\n`,
    `${randomText(2, 40)} `,
    'AKIAABCDEFGHIJKLMNOP ' + randomText(3, 40),
  ],
  ...[
    '[masked:',
    '[masked:github]',
    '[masked:github]a',
    'password=[masked:github]',
    'secretlint-disable\n',
    'data:text/plain;base64,',
  ],
];
const levels = Array.from({ length: 400 }, (_, level) => `password=${'\\'.repeat(level)}"`);
/** One thing at the begin, and then what it may go on with. */
const starts = [
  'password="',
  '://a:',
  'eyJ',
  'cap_',
  'sk-ant-',
  'cookie: a=',
  'Bearer ',
  '-----BEGIN PRIVATE KEY-----\n',
  'token',
  'data:text/plain;base64,',
];

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

/** Of the processor, ms: what else the machine does is no part of it. */
function timeOf(rule: Rule, text: string): number {
  const begin = process.cpuUsage();
  for (const _ of rule(text)) {
    // all of it is looked at
  }
  return process.cpuUsage(begin).user / 1_000;
}

/**
 * How much longer it takes for a text so many times as long. What takes less than 5 ms is too short to tell. One that is over
 * `limit` is measured again: what was collected or compiled meanwhile is not there each time, and what is quadratic is.
 */
function growth(rule: Rule, make: (length: number) => string, length: number, times: number, limit: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4 && least >= limit; round += 1) {
    const long = timeOf(rule, make(length * times));
    // The short one is looked at only where it decides.
    const short = long < limit * 5 ? 5 : Math.max(timeOf(rule, make(length)), 5);
    least = Math.min(least, long / short);
  }
  return least;
}

test.each(allRules.map((rule, index) => [index, rule] as const))(
  '[P29] rule %i takes time that grows as the text does, and no faster',
  (_, rule) => {
    for (const [name, make] of texts) {
      // What is quadratic takes 16 times as long for four times the text, and is not tried with more of it.
      expect(growth(rule, make, 1 << 14, 4, 14), name.slice(0, 40)).toBeLessThan(14);
      expect(growth(rule, make, 1 << 14, 16, 64), name.slice(0, 40)).toBeLessThan(64);
    }
  },
  300_000,
);

test('[P29] masking a megabyte takes no longer for each letter than masking less, whatever it is', () => {
  const masks: Rule = (text) => (masking.mask(text) === '' ? [] : []);
  for (const piece of ['password=', 'PASSWORD="', 'eyJ', '://a:', '-----BEGIN PRIVATE KEY-----\n', '\\"', 'Cookie: a='])
    expect(
      growth(masks, (length) => filled(piece, length), 1 << 17, 8, 32),
      piece,
    ).toBeLessThan(32);
}, 300_000);
