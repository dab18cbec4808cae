// Copilot CLI's transcripts: `session-state/<session id>/events.jsonl` below its own folder, and the flat
// `session-state/<session id>.jsonl` that versions before 0.0.378 wrote. Append-only events (FORMATS.md 3.5).
import { relative, sep } from 'node:path';
import type { Source } from '../adapter.ts';
import { readTranscript } from './copilot/read.ts';
import { agent } from './copilot/session.ts';

export function copilotSource(copilotPath: string): Source {
  const inside = (path: string) => relative(copilotPath, path).split(sep).join('/');
  return {
    kind: agent,
    path: copilotPath,
    version: 2,
    identify: (path) => {
      const match = /^session-state\/(?:([^/]+)\/events|([^/]+))\.jsonl$/.exec(inside(path));
      const sessionKey = match?.[1] ?? match?.[2];
      return sessionKey === undefined ? undefined : { reading: 'lines', sessionKey };
    },
    enters: (folder) => /^(?:session-state(?:\/[^/]+)?)?$/.test(inside(folder)),
    read: readTranscript,
  };
}
