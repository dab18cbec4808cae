import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CliError, failureOf } from '../../cli/exit.ts';
import { programName } from '../../cli/program-name.ts';
import type { ErrorKind } from '../../protocol/errors.ts';
import { errorCodes, RpcError } from '../../protocol/errors.ts';
import { NoAnswerError } from '../../protocol/node/connect-answering.ts';
import { SpawnError } from '../../protocol/node/spawn-error.ts';
import { TransportClosedError } from '../../protocol/transport.ts';
import { testHome } from '../support/daemon.ts';

const shown = (words: string) => `sessiond ${words}`;

describe('the exit code', () => {
  const ofKind = (kind: ErrorKind) =>
    failureOf(new RpcError({ code: errorCodes[kind], message: 'm', data: { kind } }), shown);

  test('of each kind of refusal', () => {
    const expected: Record<ErrorKind, number> = {
      NotFound: 5,
      Forbidden: 4,
      Unauthorized: 4,
      UnsupportedVersion: 6,
      Overloaded: 7,
      ShuttingDown: 7,
      FrameTooLarge: 1,
      CursorExpired: 1,
      StoreChanged: 1,
      CursorInFuture: 1,
      Diverged: 1,
      OpIdReused: 1,
      VersionConflict: 1,
      DependencyMissing: 1,
      InvalidTransition: 1,
      AlreadyResolved: 1,
      DeltaGap: 1,
      BatchAborted: 1,
      LimitExceeded: 1,
      AlreadyExists: 1,
      StoreUnavailable: 1,
    };
    for (const kind of Object.keys(errorCodes) as ErrorKind[])
      expect([kind, ofKind(kind).code]).toEqual([kind, expected[kind]]);
  });

  test('of a method that the daemon does not know is a version mismatch', () => {
    expect(failureOf(new RpcError({ code: -32601, message: 'm' }), shown).code).toBe(6);
  });

  test('of params that do not fit is wrong usage', () => {
    expect(failureOf(new RpcError({ code: -32602, message: 'm' }), shown)).toEqual({ code: 2, message: 'm' });
  });

  test('of what is not found comes with where to look for it', () => {
    const hint = (what: string) => {
      const data = { kind: 'NotFound', what, id: 'nope' };
      return failureOf(new RpcError({ code: errorCodes.NotFound, message: 'm', data }), shown).hint;
    };
    expect(hint('subscriber')).toBe('the names there are: sessiond rpc subscriber/list');
    expect(hint('blocker')).toBe('what waits for an answer: sessiond inbox');
    expect(hint('source')).toBe('the sources there are: sessiond source ls');
    expect(hint('sink')).toBe('the sinks there are: sessiond sink ls');
    expect(hint('batch')).toBe('what waits to be sent: sessiond outbox');
    expect(hint('share')).toBe('what is shared: sessiond share --list');
    expect(hint('session')).toBe('the sessions there are: sessiond ls --all');
  });

  test('of what is not allowed comes with what a token must give, and only where there is one', () => {
    const data = { kind: 'Forbidden', right: 'share' };
    const error = new RpcError({ code: errorCodes.Forbidden, message: 'm', data });
    expect(failureOf(error, shown, true).hint).toContain('the right share');
    expect(failureOf(error, shown, false)).toEqual({ code: 4, kind: 'Forbidden', message: 'm' });
  });

  test('of what keeps a connection from being made', () => {
    const system = (code: string) => Object.assign(new Error(`connect ${code} /s`), { code, syscall: 'connect' });
    expect(failureOf(system('EACCES'), shown)).toMatchObject({
      code: 4,
      message: 'you may not use the socket (connect EACCES /s)',
      hint: expect.stringContaining('serves the user who started it'),
    });
    expect(failureOf(system('ECONNREFUSED'), shown).code).toBe(3);
    expect(failureOf(system('EAGAIN'), shown).code).toBe(7);
    expect(failureOf(new TransportClosedError(), shown).code).toBe(3);
    expect(failureOf(new NoAnswerError('/s', 'is silent'), shown).code).toBe(3);
    expect(failureOf(new SpawnError('failed', 'm', '/log'), shown)).toMatchObject({
      code: 3,
      hint: expect.stringContaining('/log'),
    });
    expect(failureOf(new SpawnError('locked', 'm', '/log'), shown).code).toBe(7);
    // It said itself what is wrong, and the log holds no more.
    expect(failureOf(new SpawnError('refused', 'm', '/log'), shown)).toEqual({
      code: 1,
      message: 'm',
      hint: 'put that right, then: sessiond start',
    });
  });

  test('a foreseen failure has no stack, a bug has, and neither carries an escape', () => {
    expect(failureOf(new CliError(5, 'a\x1b[2Jb', 'c\x1b[2Jd'), shown)).toEqual({
      code: 5,
      message: 'ab',
      hint: 'cd',
    });
    expect(failureOf(new TypeError('x is not a function\x9b2J'), shown)).toMatchObject({
      code: 1,
      message: 'x is not a function',
      stack: expect.stringContaining('    at '),
    });
  });
});

describe('the program names itself so that a printed command works', () => {
  function clone() {
    const { folder } = testHome();
    const script = join(folder, 'clone', 'dist', 'cli.js');
    mkdirSync(join(folder, 'clone', 'dist'), { recursive: true });
    mkdirSync(join(folder, 'bin'));
    writeFileSync(script, '');
    return { folder, script, bin: join(folder, 'bin') };
  }

  test('as sessiond when that is on the PATH and is this one', () => {
    const { folder, script, bin } = clone();
    symlinkSync(script, join(bin, 'sessiond'));
    expect(programName({ script, cwd: '/', env: { PATH: `/usr/bin:${bin}` } })).toBe('sessiond');
    expect(programName({ script: join(bin, 'sessiond'), cwd: folder, env: { PATH: bin } })).toBe('sessiond');
  });

  test('not as a sessiond that is another program', () => {
    const { script, bin } = clone();
    writeFileSync(join(bin, 'sessiond'), '');
    expect(programName({ script, cwd: '/', env: { PATH: bin } })).toBe(`node ${script}`);
  });

  test('as npx sessiond inside the clone, and where npx runs it', () => {
    const { folder, script } = clone();
    expect(programName({ script, cwd: join(folder, 'clone'), env: { PATH: '' } })).toBe('npx sessiond');
    expect(programName({ script, cwd: join(folder, 'clone', 'dist'), env: {} })).toBe('npx sessiond');
    expect(programName({ script, cwd: '/', env: { npm_command: 'exec' } })).toBe('npx sessiond');
  });

  test('not by the folders that npm puts on the PATH of what it runs: the shell of the user has them not', () => {
    const { folder, script } = clone();
    const local = join(folder, 'node_modules', '.bin');
    mkdirSync(local, { recursive: true });
    symlinkSync(script, join(local, 'sessiond'));
    expect(programName({ script, cwd: join(folder, 'clone'), env: { PATH: local } })).toBe('npx sessiond');
  });

  test('as its path elsewhere, quoted where a shell would need it', () => {
    const { folder } = clone();
    expect(programName({ script: join(folder, "it's", 'cli.js'), cwd: '/', env: {} })).toBe(
      `node '${folder}/it'\\''s/cli.js'`,
    );
  });
});
