// What the README shows as code is code that runs.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './support/build.ts';
import { startProgram } from './support/cli.ts';
import { afterTest, connectTo, startDaemon, testHome } from './support/daemon.ts';
import { within } from './support/deadline.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

it('shows each editor snippet as the file that is tested', () => {
  const folder = join(root, 'cli/editors');
  const files = readdirSync(folder);
  expect(files.length).toBe(6);
  for (const file of files) {
    expect(readme.includes(`\n${readFileSync(join(folder, file), 'utf8')}\`\`\``), file).toBe(true);
  }
});

it('shows programs of the library that do what stands beside them', async () => {
  const home = testHome();
  await startDaemon(home);
  const client = await connectTo(home);
  await client.call('session/create', { sessionId: 'ses_shop', directory: '/src/shop' });
  const section = readme.slice(readme.indexOf('### Write a client'), readme.indexOf('### Connect your editor'));
  const blocks = [...section.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block!);
  expect(blocks).toHaveLength(2);
  const [stays, keeps] = blocks as [string, string];

  // Inside the package, so that it is found by its name.
  const program = join(root, `.readme-${process.pid}.mjs`);
  afterTest(() => rmSync(program, { force: true }));
  const run = (text: string) => {
    writeFileSync(program, text);
    return startProgram(home, [program]);
  };
  const outbox = join(home.folder, 'outbox.jsonl');
  const places = keeps.replaceAll(/'\/home\/me\/[^']+'/g, JSON.stringify(outbox));
  expect(places).toContain(outbox);
  const imports = "import { connect, fileIntents } from 'sessiond';\n";
  const kept = run(`${imports}${places}await client.close();\n`);
  expect(await within('the second program', kept.exit, kept.stderr)).toMatchObject({ code: 0, stderr: '' });
  expect((await client.call('session/get', { sessionId: 'ses_mine' })).session.title).toBe('Renamed');

  const staying = run(`${stays}console.log('subscribed');\n`);
  await staying.until('it to be live', (stdout) => stdout.includes('live\n') && stdout.includes('subscribed\n'));
  await client.call('session/update', { sessionId: 'ses_shop', title: 'News' });
  await staying.until('the change', (stdout) => stdout.includes("Set(1) { 'ses_shop' } 1\n"));
  expect(staying.stderr()).toBe('');
});
