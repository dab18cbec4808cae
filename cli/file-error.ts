// What is told when a file cannot be read or written: the path as it was typed, never one that was made up beside it.
import { CliError, exitCodes } from './exit.ts';
import { shownPath } from './render/path.ts';

const writeHints: Record<string, string> = {
  ENOENT: 'its folder is not there: make it, or write elsewhere',
  ENOTDIR: 'what stands before the last / is no folder: write elsewhere',
  EISDIR: 'it is a folder: add the name of a file',
  EACCES: 'you may not write there: write elsewhere',
  EPERM: 'you may not write there: write elsewhere',
  EROFS: 'nobody can write there: write elsewhere',
  ENOSPC: 'the disk is full',
};
const readHints: Record<string, string> = {
  ENOENT: 'is the path right? - reads from stdin',
  EISDIR: 'it is a folder: name a file in it',
  EACCES: 'you may not read it',
};

/** `cannot write ~/a/b.md: ENOENT: no such file or directory`, and what to do. Not found (5) where there is none to read. */
export function fileError(verb: 'read' | 'write', path: string, home: string, error: NodeJS.ErrnoException): CliError {
  const { code = '', message } = error;
  // Behind the comma Node tells its own call, with the path that it was given.
  const what = code === '' ? message : message.replace(/, .*$/s, '');
  const exitCode = verb === 'read' && code === 'ENOENT' ? exitCodes.notFound : exitCodes.failure;
  const hint = (verb === 'write' ? writeHints : readHints)[code];
  return new CliError(exitCode, `cannot ${verb} ${shownPath(path, home)}: ${what}`, hint);
}
