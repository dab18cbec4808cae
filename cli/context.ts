// What every verb is given: the two outputs, the options that all verbs share, and what main.ts read of the process.
// Verbs read no environment, clock or argv of their own, so that a test can run one.
import type { CommandLine } from './command-line.ts';
import type { Output } from './output.ts';

export type Context = {
  version: string;
  env: NodeJS.ProcessEnv;
  /** The user's home folder, for showing paths below it as `~`. */
  home: string;
  /** The operating system, where it is not this one: for tests of what is done on another. */
  platform?: NodeJS.Platform;
  /** The daemon's bundle. */
  daemonPath: string;
  /** Runs an ES module in this process. */
  load(url: string): Promise<unknown>;
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
  /** Where that was read, as it was typed. */
  tokenFile?: string | undefined;
  /** How the program names itself, so that a printed command works as typed. */
  program: string;
  /** `ls --all` as it is typed here and now, for hints: with the token file that this command was given. */
  commandLine: CommandLine;
  now(): number;
};

/** A verb's file: declares its arguments, options, help and action on the command that main.ts made for it. */
export type Verb = {
  configure(command: import('commander').Command, context: Context): void;
  /** Set of a verb that acts with no capability, so that it must not seem to: why it does not. */
  withoutToken?: string;
  /** Whether, as it was typed, it reads stdin itself or hands it on: then that gives no token. */
  takesInput?(command: import('commander').Command): boolean;
};
