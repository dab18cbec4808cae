// The process: argv, signals, exit codes. Exit codes: 0 stopped, 1 failure, 2 usage, 7 another daemon holds the store.
import { mkdirSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { agentFolders, PathError, pathsFrom, socketFolder } from '../protocol/node/paths.ts';
import { loadConfig } from './config.ts';
import { ConfigError } from './config-error.ts';
import { Daemon } from './daemon.ts';
import { armFailpoint } from './engine/failpoint.ts';
import { systemRuntime } from './engine/runtime.ts';
import { takeGivenSocket } from './serve/given-socket.ts';
import { ListenError } from './serve/listen.ts';
import { sinkMaker } from './sink-kinds.ts';
import { sourceKindNames, sourceKinds } from './source-kinds.ts';
import { startFault } from './start-fault.ts';
import { StoreError } from './store/open.ts';
import { runStoreProgram } from './store-program.ts';

declare const __VERSION__: string;
declare const __FAILPOINTS__: boolean;

/** Of a log that cannot be written for now, in bytes. */
const maxWaitingLog = 256 * 1024;

async function main(): Promise<number> {
  const { readyFd, tiedFd, logsToFile, throws, onStore } = readArgs(process.argv.slice(2));
  /** Tells whoever started this process in the background that it answers, or why it does not; once. */
  const tell = (outcome: Record<string, unknown>) => {
    if (readyFd !== undefined) writeSync(readyFd, `${JSON.stringify(outcome)}\n`);
    else if (!outcome.ready) process.stderr.write(`sessiond: ${outcome.message}\n`);
  };
  process.umask(0o077);
  if (__FAILPOINTS__) armFailpoint(process.env.SESSIOND_FAILPOINT);
  let log = stderrLog();
  let logFile: string | undefined;
  let store = '';
  try {
    const paths = pathsFrom(process.env);
    store = paths.data;
    if (onStore) return await runStoreProgram({ folder: paths.data, ...onStore, now: systemRuntime(log).now });
    if (logsToFile) {
      logFile = join(paths.log, 'sessiond.log');
      log = openLog(logFile);
    }
    const given = takeGivenSocket(process.env, process.pid);
    const config = loadConfig(paths.config);
    const runtime = systemRuntime(log);
    const folders = agentFolders(process.env);
    const wanted = sourceKindNames.filter((kind) => config.sources[kind]);
    const sources = wanted.map((kind) => sourceKinds[kind](folders[kind]));
    const { ledger, audit, retention, http, outbox, sharing } = config;
    const worker = (name: string) => fileURLToPath(new URL(`./${name}-worker.mjs`, import.meta.url));
    const daemon = new Daemon({
      paths,
      version: __VERSION__,
      runtime,
      sources,
      sourceKinds,
      givenFd: readyFd === undefined ? given : undefined, // it may be the very same descriptor
      ledger,
      audit,
      retention,
      http,
      outbox,
      sharing,
      makeSink: sinkMaker(runtime, [paths.data, socketFolder(paths), paths.log, dirname(paths.config)]),
      searchWorker: worker('search'),
      maskWorker: worker('mask'),
      storeWorker: worker('store'),
      checkpointWorker: worker('checkpoint'),
    });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void daemon.stop());
    if (tiedFd !== undefined)
      new Socket({ fd: tiedFd })
        .on('close', () => void daemon.stop())
        .resume()
        .unref();
    await daemon.start();
    const listening = { pid: process.pid, socket: paths.socket, ...(daemon.url && { http: daemon.url }) };
    log.info({ version: __VERSION__, ...listening }, 'listening');
    tell({ ready: true, ...listening });
    const ending = await daemon.ended;
    if (ending.kind === 'stopped') log.info({}, 'stopped');
    else log.error({ err: ending.error }, 'ended by an error; start again to recover');
    return ending.kind === 'stopped' ? 0 : 1;
  } catch (error) {
    if (throws) throw error;
    const coded = error instanceof StoreError || error instanceof ListenError || error instanceof ConfigError;
    const fault = coded ? undefined : startFault(error, store);
    const foreseen = coded || fault !== undefined || error instanceof PathError;
    const message = fault ?? (error instanceof Error ? error.message : String(error));
    if (!foreseen) log.error({ err: error }, 'could not start');
    else if (logFile !== undefined && readyFd === undefined) log.error({}, `could not start: ${message}`);
    const where = foreseen || logFile === undefined ? '' : ` (the whole of it is in ${logFile})`;
    const exitCode = coded ? error.exitCode : 1;
    tell({ ready: false, message: message + where, exitCode });
    return exitCode;
  }
}

/**
 * `--ready-fd N`: where to tell, as one line of JSON, that the daemon answers; it logs to its file then. `--log-file`: it
 * logs there, and nobody waits for its word: for a service manager. `--tied-fd N`: a pipe whose other end is held by
 * whoever started it; the daemon ends with that process, however it ends. `--throw`: whoever imported this bundle catches
 * what keeps the daemon from starting, and tells it. `--check`, `--restore FILE`: no daemon is started (store-program.ts).
 */
function readArgs(args: string[]) {
  try {
    const fd = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = { 'ready-fd': fd, 'tied-fd': fd, 'log-file': flag, throw: flag, check: flag, restore: fd };
    const { values } = parseArgs({ args, options });
    const numberOf = (value: string | undefined) => (value === undefined ? undefined : Number(value));
    const readyFd = numberOf(values['ready-fd']);
    return {
      readyFd,
      tiedFd: numberOf(values['tied-fd']),
      logsToFile: readyFd !== undefined || values['log-file'] === true,
      throws: values.throw === true,
      onStore: values.check || values.restore !== undefined ? { restore: values.restore } : undefined,
    };
  } catch (error) {
    process.stderr.write(`sessiond: ${(error as Error).message}\n`);
    process.exit(2);
  }
}

function stderrLog() {
  return pino({ base: null }, pino.destination({ fd: 2, sync: true }));
}

function openLog(file: string) {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const destination = pino.destination({ dest: file, sync: true, mode: 0o600, maxLength: maxWaitingLog });
  // On a disk that is full, say: what is told meanwhile waits, up to that much, and the daemon goes on.
  destination.on('error', () => {});
  return pino({ base: null }, destination);
}

// Nothing keeps the process after its end was decided: a reader that never reads must not.
process.exit(await main());
