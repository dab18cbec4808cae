import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../daemon/config.ts';
import { ConfigError } from '../daemon/config-error.ts';
import { sourceKindNames } from '../daemon/source-kinds.ts';
import { connectTo, spawnDaemonProcess, startDaemon, testHome } from './support/daemon.ts';

function refusalOf(text: string): string {
  const path = join(testHome().folder, 'config.toml');
  writeFileSync(path, text);
  try {
    loadConfig(path);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replace(path, 'config.toml');
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the config', () => {
  const others = {
    ledger: { maxAgeMs: 30 * 24 * 3600_000 },
    audit: { maxAgeMs: 90 * 24 * 3600_000, maxEntries: 100_000 },
    retention: { maxEvents: 2_000_000, maxAgeMs: 90 * 24 * 3600_000, maxLagEvents: 1_000_000 },
    outbox: { baseMs: 500, maxMs: 60_000 },
    sharing: true,
  };
  const allOn = Object.fromEntries(sourceKindNames.map((kind) => [kind, true]));

  test('that is not there is the defaults: every agent is read', () => {
    expect(loadConfig('/nowhere/config.toml')).toEqual({ sources: allOn, ...others });
  });

  test.each(sourceKindNames)('turns %s off and leaves the others on', (kind) => {
    const path = join(testHome().folder, 'config.toml');
    writeFileSync(path, `[sources]\n${kind} = false\n`);
    expect(loadConfig(path)).toEqual({ sources: { ...allOn, [kind]: false }, ...others });
  });

  test('says how long op ids are kept', () => {
    const path = join(testHome().folder, 'config.toml');
    writeFileSync(path, '[ledger]\nmaxAgeMs = 60000\n');
    expect(loadConfig(path).ledger).toEqual({ maxAgeMs: 60_000 });
  });

  test.each(['0', '-1', '1.5', '"x"'])('[P4] that would keep op ids or events for %s is refused', (value) => {
    for (const name of [
      'ledger.maxAgeMs',
      'audit.maxAgeMs',
      'retention.maxAgeMs',
      'retention.maxEvents',
      'retention.maxLagEvents',
      'outbox.baseMs',
      'outbox.maxMs',
    ]) {
      const [table, key] = name.split('.') as [string, string];
      expect(refusalOf(`[${table}]\n${key} = ${value}\n`)).toContain(`config.toml:2: ${name}: expected `);
    }
  });

  test.each([
    [
      'an unknown table',
      '\n[sauces]\nx = 1\n',
      'config.toml:2: there is no setting sauces; allowed here: retention, ledger, audit, http, outbox, share, sources',
    ],
    [
      'an unknown key',
      '# mine\n[sources]\nclaude-code = true\nclade = true\n',
      'config.toml:4: there is no setting sources.clade; allowed here: claude-code, codex, opencode',
    ],
    ['a wrong value', '[sources]\n\nclaude-code = "no"\n', 'config.toml:3: sources.claude-code: Invalid input'],
    ['a dotted key', 'sources.claude-code = 1\n', 'config.toml:1: sources.claude-code: Invalid input'],
  ])('with %s is refused by its name, its line and what is allowed', (_name, text, message) => {
    expect(refusalOf(text)).toContain(message);
  });

  describe('[http]', () => {
    const listenOf = (lines: string) => {
      const path = join(testHome().folder, 'config.toml');
      writeFileSync(path, `[http]\n${lines}`);
      return loadConfig(path).http;
    };

    test('is off by default, and served under loopback names alone where it says no others', () => {
      expect(loadConfig('/nowhere/config.toml').http).toBeUndefined();
      const hosts = ['localhost', '127.0.0.1', '[::1]'];
      const listen = { host: '127.0.0.1', port: 7433, hosts, tls: undefined, behindProxy: false };
      expect(listenOf('listen = "127.0.0.1:7433"\n')).toEqual(listen);
    });

    test.each(['127.0.0.1:1', '127.1.2.3:1', 'localhost:1', '[::1]:1'])('needs no TLS on %s', (listen) => {
      expect(listenOf(`listen = "${listen}"\n`)?.port).toBe(1);
    });

    test.each(['0.0.0.0:1', '192.168.1.2:1', '[::]:1', 'box.local:1', '[::ffff:10.0.0.1]:1', '128.0.0.1:1'])(
      'needs TLS, or a proxy that does it, on %s',
      (listen) => {
        expect(refusalOf(`[http]\nlisten = "${listen}"\n`)).toContain('config.toml:2: http.listen: beyond loopback');
        expect(listenOf(`listen = "${listen}"\nbehindProxy = true\n`)?.behindProxy).toBe(true);
      },
    );

    test.each([
      ['lisen = "127.0.0.1:1"', 'config.toml:2: there is no setting http.lisen; allowed here: listen, hosts'],
      ['hosts = ["a"]', 'config.toml:1: http.listen: expected an address and a port'],
      ['listen = "7433"', 'config.toml:2: http.listen: expected an address and a port'],
      ['listen = "127.0.0.1:70000"', 'config.toml:2: http.listen: expected an address and a port'],
      ['listen = "127.0.0.1:1"\nhosts = ["a:1"]', 'config.toml:3: http.hosts.0: expected a name without a port'],
      ['listen = "127.0.0.1:1"\nhosts = []', 'http.hosts: '],
      ['listen = "127.0.0.1:1"\ncert = "x"', 'config.toml:3: http.cert: cert and key go together'],
      ['listen = "127.0.0.1:1"\nport = 1', 'config.toml:3: there is no setting http.port; allowed here: listen, hosts'],
      ['listen = "127.0.0.1:1"\ncert = "nowhere.pem"\nkey = "nowhere.pem"', 'config.toml: [http]: '],
    ])('with %s is refused by its name', (lines, message) => {
      expect(refusalOf(`[http]\n${lines}\n`)).toContain(message);
    });

    test('with a key that everybody may read is refused', () => {
      const folder = testHome().folder;
      const path = join(folder, 'config.toml');
      writeFileSync(path, '[http]\nlisten = "127.0.0.1:1"\ncert = "x.pem"\nkey = "x.pem"\n');
      writeFileSync(join(folder, 'x.pem'), 'x', { mode: 0o600 });
      expect(loadConfig(path).http?.tls).toEqual({ cert: 'x', key: 'x' });
      chmodSync(join(folder, 'x.pem'), 0o644);
      expect(() => loadConfig(path)).toThrow('chmod 600');
    });

    test('with a certificate that is none keeps the daemon from starting, and says so', async () => {
      const home = testHome();
      const folder = dirname(home.paths.config);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'x.pem'), 'x', { mode: 0o600 });
      writeFileSync(home.paths.config, '[http]\nlisten = "127.0.0.1:0"\ncert = "x.pem"\nkey = "x.pem"\n');
      const refused = await spawnDaemonProcess(home).ready;
      const message = expect.stringContaining('[http] cert and key: ');
      expect(refused).toMatchObject({ ready: false, exitCode: 1, message });
    });

    test('on a port that is taken keeps the daemon from starting, and says so', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const home = testHome();
      mkdirSync(dirname(home.paths.config), { recursive: true });
      const { port } = server.address() as AddressInfo;
      writeFileSync(home.paths.config, `[http]\nlisten = "127.0.0.1:${port}"\n`);
      const refused = await spawnDaemonProcess(home).ready;
      server.close();
      const message = expect.stringContaining(`cannot listen on 127.0.0.1:${port}`);
      expect(refused).toMatchObject({ ready: false, exitCode: 1, message });
      expect(existsSync(home.paths.socket)).toBe(false);
    });
  });

  test('that is no TOML is refused by its line', () => {
    expect(refusalOf('[sources]\nclaude-code =\n')).toMatch(/^config\.toml:2: /);
  });

  test('is what the daemon tells its clients, and keeps', async () => {
    const home = testHome();
    mkdirSync(dirname(home.paths.config), { recursive: true });
    writeFileSync(home.paths.config, '[ledger]\nmaxAgeMs = 60000\n');
    await startDaemon(home);
    const client = await connectTo(home);
    expect((await client.initialize('test', '1')).ledgerMaxAgeMs).toBe(60_000);
  });

  test('that is refused keeps the daemon from starting, with that message', async () => {
    const home = testHome();
    mkdirSync(dirname(home.paths.config), { recursive: true });
    writeFileSync(home.paths.config, 'surces = 1\n');
    const refused = await spawnDaemonProcess(home).ready;
    expect(refused).toMatchObject({ ready: false, exitCode: 1, message: expect.stringContaining('surces') });
  });
});
