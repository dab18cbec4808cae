// What is found in a text, and what is left alone.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { samples } from '../support/samples.ts';
import { masking, pem, pieceOf, randomText, secrets } from './secrets-made.ts';

const token = randomText(7, 32);
const password = 'hunter2x9!';

describe.each(secrets(1).map(({ rule, text }) => [rule, text.slice(0, 8), text] as const))(
  'a secret of the form %s %s…',
  (rule, _, secret) => {
    test.each([
      ['alone', '', ''],
      ['among words', 'the key is ', ' and works'],
      ['in quotes', 'x("', '")'],
      ['in an environment', 'A=1\nNAME=', '\nB=2'],
      ['in JSON that is text', '{"a":"', '","b":1}'],
      ['in JSON that is text in JSON', '{\\"a\\":\\"', '\\"}'],
      ['behind an escaped line end', 'first\\n', '\\nlast'],
      ['behind the colour of a terminal', '\u001b[32m', '\u001b[0m'],
      ['behind the colour of a terminal, as code has it', '\\x1b[1;32m', '\\x1b[0m'],
      ['in a URL', 'https://example.com/?q=', '&x=1'],
      ['behind an escape of a URL', 'https://example.com/?q=a%20', '%20b'],
    ])('[P29] is masked %s', (_where, before, after) => {
      const masked = masking.mask(`${before}${secret}${after}`);
      expect(masked).toContain(`[masked:${rule}]`);
      expect(pieceOf(secret, masked)).toBeUndefined();
      expect(masked.startsWith(before)).toBe(true);
    });
  },
);

test.each([
  ['a bearer', `curl -H "Authorization: Bearer ${token}"`, 'curl -H "Authorization: Bearer [masked:bearer]"'],
  ['a basic header', 'Authorization: Basic dXNlcjpodW50ZXIy', 'Authorization: Basic [masked:basic-auth]'],
  ['a cookie', `Cookie: sid=${token}; a=b`, 'Cookie: [masked:cookie]'],
  ['a password in a URL', 'redis://:p4ss-w0rd@h', 'redis://:[masked:url-password]@h'],
  ['a password with an @ in a URL', 'amqp://me:p@ssw0rd@host:1/x', 'amqp://me:[masked:url-password]@host:1/x'],
  [
    'a token in place of a user',
    `git clone https://${token}@example.com/a`,
    'git clone https://[masked:url-token]@example.com/a',
  ],
  ['what curl is told', `curl -u me:${password} https://x.y`, 'curl -u me:[masked:url-password] https://x.y'],
  ['a client of a database', `mysql -u root -p${password} -h x`, 'mysql -u root -p[masked:url-password] -h x'],
  ['what sshpass is told', `sshpass -p '${password}' ssh x`, "sshpass -p '[masked:url-password]' ssh x"],
  ['a URL that is signed', `?X-Amz-Signature=${randomText(2, 64, '0123456789abcdef')}&a=1`, '?[masked:aws]&a=1'],
  [
    'a basic header in a URL',
    'Authorization%3A%20Basic%20dXNlcjpodW50ZXIy%3D%3D%0A',
    'Authorization%3A%20Basic%20[masked:basic-auth]%0A',
  ],
  ['a token of ours in a URL', `#cap_${randomText(8, 22)}%2E${randomText(9, 43)}&a`, '#[masked:sessiond]&a'],
  ['an environment', `DB_PASSWORD=${password}\nA=1`, 'DB_PASSWORD=[masked:assignment]\nA=1'],
  ['an exported variable', `export SECRET_KEY=ab(c,d;e1f&g`, 'export SECRET_KEY=[masked:assignment]'],
  ['a variable that ends with KEY', `STRIPE_KEY=${token}`, 'STRIPE_KEY=[masked:assignment]'],
  ['code', `const apiKey = '${token}';`, "const apiKey = '[masked:assignment]';"],
  ['code with a type', `const apiKey: string = "${token}";`, 'const apiKey: string = "[masked:assignment]";'],
  [
    'code that sets a member',
    `os.environ["API_TOKEN"] = "${token}"`,
    'os.environ["API_TOKEN"] = "[masked:assignment]"',
  ],
  ['JSON', `{"clientSecret": "${token}"}`, '{"clientSecret": "[masked:assignment]"}'],
  ['JSON in JSON', `{\\"password\\": \\"${password}\\"}`, '{\\"password\\": \\"[masked:assignment]\\"}'],
  ['a value with an escaped quote', String.raw`{"password":"ab1\"cd2\"ef"}`, '{"password":"[masked:assignment]"}'],
  ['YAML', `a: 1\npassword: ${password}\nb: 2`, 'a: 1\npassword: [masked:assignment]\nb: 2'],
  [
    'a variable in YAML',
    `- name: DB_PASSWORD\n  value: ${password}`,
    '- name: DB_PASSWORD\n  value: [masked:assignment]',
  ],
  [
    'a variable in JSON',
    `{"name":"DB_PASSWORD","value":"${password}"}`,
    '{"name":"DB_PASSWORD","value":"[masked:assignment]"}',
  ],
  ['an argument', `mysql --password ${password} -h x`, 'mysql --password [masked:assignment] -h x'],
  ['a list of arguments', `["--api-key", "${token}"]`, '["--api-key", "[masked:assignment]"]'],
  ['a query', `GET /x?access_token=${token}&a=1`, 'GET /x?access_token=[masked:assignment]&a=1'],
  ['.npmrc', `//r.x/:_authToken=${token}`, '//r.x/:_authToken=[masked:assignment]'],
  ['.netrc', `machine x login me password ${token}`, 'machine x login me password [masked:url-password]'],
  [
    'the key of an account',
    `AccountName=a;AccountKey=${randomText(3, 86)}==`,
    'AccountName=a;AccountKey=[masked:assignment]',
  ],
])('[P29] a secret is masked in %s', (_, text, masked) => {
  expect(masking.mask(text)).toBe(masked);
});

test('[P29] the secret key of AWS is masked near its id, whatever it is called', () => {
  const key = randomText(5, 40);
  const masked = masking.mask(`id AKIA${randomText(4, 16, 'ABCDEFGH234567')}\nkey ${key}\n`);
  expect(masked).toBe('id [masked:aws]\nkey [masked:aws]\n');
  expect(masking.mask(`commit ${key}`)).toBe(`commit ${key}`);
});

test('[P29] a password in the string that connects to a database is masked', () => {
  for (const scheme of ['postgres', 'mysql', 'mongodb+srv', 'redis', 'jdbc:mysql'])
    expect(masking.mask(`${scheme}://me:S3cr3tPw@db.internal:5432/app`)).not.toContain('S3cr3tPw');
});

describe('a private key', () => {
  const key = pem(3);
  const lines = key.split('\n');
  const body = lines.slice(1, -1);
  const expectGone = (masked: string) => {
    for (const line of body) expect(pieceOf(line, masked)).toBeUndefined();
  };

  test.each([['RSA '], ['OPENSSH '], ['EC '], [''], ['ENCRYPTED ']])(
    '[P29] of the kind "%s" is masked whole',
    (kind) => {
      expect(masking.mask(`a\n${pem(4, kind)}\nb`)).toBe('a\n[masked:private-key]\nb');
    },
  );

  test('[P29] is masked whole as text in JSON, also in JSON in JSON', () => {
    const once = JSON.stringify({ private_key: key });
    expect(masking.mask(once)).toBe('{"private_key":"[masked:private-key]"}');
    expect(masking.mask(JSON.stringify({ a: once }))).toBe('{"a":"{\\"private_key\\":\\"[masked:private-key]\\"}"}');
  });

  test('[P29] is masked where its lines are numbered, quoted or indented', () => {
    expectGone(masking.mask(lines.map((line, at) => `   ${at + 1}→${line}`).join('\n')));
    expectGone(masking.mask(lines.map((line) => `    "${line}\\n" +`).join('\n')));
    expectGone(masking.mask(lines.map((line) => `      ${line}`).join('\r\n')));
    expectGone(
      masking.mask(
        [lines[0], 'Proc-Type: 4,ENCRYPTED', 'DEK-Info: AES-128-CBC,ABCDEF', '', ...lines.slice(1)].join('\n'),
      ),
    );
  });

  test('[P29] is masked where it is cut off', () => {
    expectGone(masking.mask(lines.slice(0, 7).join('\n')));
    expectGone(masking.mask(`${lines.slice(0, 7).join('\n').slice(0, -50)}`));
    expectGone(masking.mask(lines.slice(5).join('\n')));
    expectGone(masking.mask(`${lines.slice(5).join('\n')}\nand\n${lines.slice(0, 4).join('\n')}`));
  });

  test('is none where only its first and last line are named', () => {
    const code = "pem.replace('-----BEGIN PRIVATE KEY-----', '').replace('-----END PRIVATE KEY-----', '').trim()";
    expect(masking.mask(code)).toBe(code);
  });
});

test('[P29] a comment that switches a linter off switches nothing off', () => {
  const [secret] = secrets(2);
  expect(masking.mask(`secretlint-disable\n${secret!.text}`)).toBe('secretlint-disable\n[masked:anthropic]');
});

test('[P29] text that is attached as a file is masked, an image is left as it is', () => {
  const of = (mime: string, text: string) => `data:${mime};base64,${Buffer.from(text).toString('base64')}`;
  expect(masking.mask(of('text/plain', `DB_PASSWORD=${password}`))).toBe(
    of('text/plain', 'DB_PASSWORD=[masked:assignment]'),
  );
  const image = `data:image/png;base64,${randomText(9, 100_000)}`;
  expect(masking.mask(image)).toBe(image);
});

test.each([
  ['a commit', 'commit 3f786850e387550fdab836ed7e6dc881de23001b'],
  ['a digest', `sha256:${randomText(1, 64, '0123456789abcdef')}`],
  ['an integrity', `"integrity": "sha512-${randomText(2, 86)}=="`],
  ['a UUID', 'id: 123e4567-e89b-12d3-a456-426614174000'],
  ['base64', `<img src="data:image/png;base64,${randomText(3, 4000)}">`],
  ['ids of ours', `ses_${randomText(4, 22)} cap_${randomText(5, 22)} prt_${randomText(6, 22)}`],
  [
    'words that hold the prefix of a token',
    'task-runner risk-assessment disk-usage-report-of-all-the-folders-2024 desk-1',
  ],
  ['a name of a component', 'mask-ant-design-component-library-with-many-words'],
  [
    'code that reads a secret',
    'const apiKey = process.env.OPENAI_API_KEY2; token = getToken(request1); password = input.value1',
  ],
  ['a type', 'type A = { password: string; token?: string | undefined; secretKey: Uint8Array }'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: of a shell
  ['a variable', 'PASSWORD=$DB_PASSWORD1 TOKEN="${GITHUB_TOKEN}" postgres://$USER1:$PASS1@host/db'],
  ['a placeholder', 'api_key = "your-api-key-here-123" password: "<your-password-1>" token=xxxxxxxxxxxxxxxx1'],
  ['a template', 'https://{{user1}}:{{password1}}@example.com and https://user:password@example.com'],
  ['how many', '"max_tokens": 128000, "tokens": {"input": 1234567890}, total_tokens=123456789012'],
  ['a model', '"token_model": "gpt-4-turbo-2024-04-09", secret: "us-east-1", token: "text-embedding-3-small"'],
  ['prose', 'Enter a password: at least 8 characters. The bearer authentication-required error, a basic introduction.'],
  ['a cookie that is talked of', 'The cookie: we need it for 2 things'],
  ['a host and its port', 'http://localhost:3000/@scope/name and git@github.com:a/b.git'],
  ['a client that is to ask', 'mysql -u root -p -h db.internal1 -P 3306; mysqldump -p app_db2 -port'],
  ['a file of secrets', 'secret: "/run/secrets/db_password_1" credentials: ./service-account-1.json'],
])('%s is no secret', (_, text) => {
  expect(masking.mask(text)).toBe(text);
});

describe.skipIf(!samples)('the real transcripts (needs ../shared/transcripts)', () => {
  test('hold no secret, and nothing of them is taken for one', () => {
    const names = readdirSync(samples!, { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => /\.(?:jsonl?|md|txt)$/.test(name));
    expect(files.length).toBeGreaterThan(100);
    const changed = files.filter((name) => {
      const text = readFileSync(join(samples!, name), 'utf8');
      return masking.mask(text) !== text;
    });
    expect(changed).toEqual([]);
  });
});

const fragments = [
  ...secrets(3).map(({ text }) => text),
  ...[pem(5), password, token, '[masked:github]', '[masked:assignment]', '-----BEGIN PRIVATE KEY-----'],
  ...[
    'password=',
    'TOKEN=',
    '"secret": "',
    "api_key='",
    '"',
    "'",
    '\\"',
    '\\n',
    '\n',
    ' ',
    '@',
    '://',
    ':',
    '&',
    '/',
    '=',
    'Bearer ',
  ],
  ...[
    'Cookie: a=',
    'Basic ',
    '--password ',
    'login x password ',
    'postgres://u:',
    '@host',
    'AKIA',
    'eyJ',
    'value: ',
    ',',
  ],
];

test('[P29] what is masked is masked no further', () => {
  const piece = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...fragments) }, fc.string({ maxLength: 12 }));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      fc.option(fc.constantFrom('password', 'API_KEY', 'x')),
      (pieces, name) => {
        const once = masking.mask(pieces.join(''), name ?? undefined);
        expect(masking.mask(once, name ?? undefined)).toBe(once);
      },
    ),
    { numRuns: 3_000 },
  );
});
