// The [http] table of config.toml: where TCP is listened on. Off by default (PROTOCOL.md 10).
import { readFileSync, statSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import type { HttpListen } from './serve/http/door.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

const listenShape = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
const listenExpected = 'expected an address and a port, as 127.0.0.1:7433';
const pemFile = z.string().min(1, 'expected the path of a PEM file');

export const HttpTable = z
  .strictObject({
    listen: z
      .string(listenExpected)
      .refine((text) => Number(listenShape.exec(text)?.[2] ?? Number.NaN) <= 65535, listenExpected),
    hosts: z
      .array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)$/, 'expected a name without a port'))
      .min(1)
      .optional(),
    cert: pemFile.optional(),
    key: pemFile.optional(),
    behindProxy: z.boolean().optional(),
  })
  .superRefine(({ listen, cert, key, behindProxy }, check) => {
    if ((cert === undefined) !== (key === undefined)) {
      check.addIssue({
        code: 'custom',
        path: [cert === undefined ? 'key' : 'cert'],
        message: 'cert and key go together',
      });
    }
    if (isLoopback(hostOf(listen)) || cert !== undefined || behindProxy === true) return;
    const message =
      'beyond loopback it needs TLS: give cert and key, or behindProxy = true where a proxy in front of it does TLS';
    check.addIssue({ code: 'custom', path: ['listen'], message });
  });

/** What the table of the config at `path` asks for; its own paths start beside it. Throws ConfigError for a file that cannot be read. */
export function httpListen(table: z.infer<typeof HttpTable>, path: string): HttpListen {
  const { listen, hosts = loopbackNames, cert, key, behindProxy = false } = table;
  const host = hostOf(listen);
  const tls = cert !== undefined && key !== undefined ? { cert: read(path, cert), key: readKey(path, key) } : undefined;
  const names = hosts.map((name) => name.toLowerCase());
  return { host, port: Number(listenShape.exec(listen)![2]), hosts: names, tls, behindProxy };
}

function hostOf(listen: string): string {
  return listenShape.exec(listen)?.[1] ?? '';
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  if (family === 0) return address.toLowerCase() === 'localhost';
  return loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

function readKey(path: string, name: string): string {
  const file = resolve(dirname(path), name);
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o007) === 0) return read(path, name);
  throw new ConfigError(`${path}: [http]: everybody may read the key ${file}: chmod 600 ${file}`);
}

function read(path: string, name: string): string {
  const file = resolve(dirname(path), name);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path}: [http]: ${file} cannot be read: ${(error as Error).message}`);
  }
}
