// What every verb is given: the two outputs, the options that all verbs share, and what main.ts read of the process.
// Verbs read no environment, clock or argv of their own, so that a test can run one.
import type { Output } from './output.ts';

export type Context = {
  version: string;
  env: NodeJS.ProcessEnv;
  /** The user's home folder, for showing paths below it as `~`. */
  home: string;
  /** The daemon's bundle. */
  daemonPath: string;
  out: Output;
  err: Output;
  input: NodeJS.ReadableStream;
  /** `--json`: values for programs on stdout, notices and errors as JSON lines on stderr. */
  json: boolean;
  /** Whether a verb that needs the daemon may start it; `--no-spawn` turns it off. */
  spawn: boolean;
  /** Whether a daemon that is started ends with this process. */
  tied?: boolean;
  /** `--token-file`: of the capability that every connection acts with. Never printed, and handed to no other process. */
  token?: string | undefined;
  /** How the program names itself, so that a printed command works as typed. */
  program: string;
  now(): number;
};

/** A verb's file: declares its arguments, options, help and action on the command that main.ts made for it. */
export type Verb = {
  configure(command: import('commander').Command, context: Context): void;
  /** Whether, as it was typed, it reads stdin itself or hands it on: then that gives no token. */
  takesInput?(command: import('commander').Command): boolean;
};
