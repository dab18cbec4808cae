// How many files this process may have open: each connection is one, and the store, transcripts and what is sent need theirs.
import { readFileSync } from 'node:fs';
import type { Limits } from './limits.ts';

/** The limits, with no more connections than leave a quarter of `openFiles` to all else: half of them to the socket, a quarter to TCP. */
export function fitting(limits: Limits, openFiles = maxOpenFiles()): Limits {
  const { maxConnections, maxTcpConnections } = limits;
  return {
    ...limits,
    maxConnections: Math.max(1, Math.min(maxConnections, Math.floor(openFiles / 2))),
    maxTcpConnections: Math.max(1, Math.min(maxTcpConnections, Math.floor(openFiles / 4))),
  };
}

/** As the kernel tells it: Node raises it to the hard limit when it starts, and has no getrlimit. Elsewhere than on Linux not known. */
function maxOpenFiles(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
