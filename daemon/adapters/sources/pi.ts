// Pi's transcripts: `sessions/--<cwd>--/<time>_<session id>.jsonl` below its own folder. One file is one session, a tree of
// entries in the order in which they were made (FORMATS.md 3.5).
import { relative, sep } from 'node:path';
import type { Source } from '../adapter.ts';
import { readTranscript } from './pi/read.ts';
import { agent, sessionKeyOf } from './pi/session.ts';

export function piSource(agentPath: string): Source {
  const inside = (path: string) => relative(agentPath, path).split(sep).join('/');
  return {
    kind: agent,
    path: agentPath,
    version: 1,
    identify: (path) => {
      const isOne = /^sessions\/--[^/]*--\/[^/]+$/.test(inside(path));
      const sessionKey = isOne ? sessionKeyOf(path) : undefined;
      return sessionKey === undefined ? undefined : { reading: 'lines', sessionKey };
    },
    enters: (folder) => /^(?:sessions(?:\/--[^/]*--)?)?$/.test(inside(folder)),
    read: readTranscript,
  };
}
