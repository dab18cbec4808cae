// The real transcripts beside the repository: test input only, never copied into it. Tests that need them skip by name
// where they are absent.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { SourceKind } from '../../daemon/source-kinds.ts';
import { sourceKindNames } from '../../daemon/source-kinds.ts';
import { agentFolders } from '../../protocol/node/paths.ts';
import { root } from './build.ts';
import type { Home } from './home.ts';

/** The folder of real samples, or undefined where it is absent. `SESSIOND_SAMPLES` says where; .ci/run sets it. */
export const samples: string | undefined = [process.env.SESSIOND_SAMPLES, resolve(root, '../shared/transcripts')].find(
  (folder) => folder && existsSync(folder),
);

/** Lays Claude Code's samples where Claude Code itself would have written them. */
export function layClaudeSamples(projects: string): void {
  cpSync(join(samples!, 'claude-code'), projects, { recursive: true, mode: 0 });
}

/** Lays the samples of every kind where the agent itself would have written them; the files that were laid, by kind. */
export function laySamples(home: Home): Record<SourceKind, string[]> {
  const folders = agentFolders(home.env);
  const lay = (kind: SourceKind) => {
    const from = join(samples!, kind);
    const names = readdirSync(from, { recursive: true, encoding: 'utf8' }).sort();
    return names.flatMap((name, index) => {
      const place = places[kind](name, `${(0xc0000000 + index).toString(16)}-2222-4333-8444-555555555555`);
      if (place === undefined) return [];
      const to = join(folders[kind], place);
      if (existsSync(to)) throw new Error(`two samples lie at ${to}`);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(from, name), to);
      return [to];
    });
  };
  return Object.fromEntries(sourceKindNames.map((kind) => [kind, lay(kind)])) as Record<SourceKind, string[]>;
}

/**
 * Where a sample of each kind belongs below the agent's folder; undefined for what is none. `id`: for those whose names
 * were changed when they were collected.
 */
const places: Record<SourceKind, (name: string, id: string) => string | undefined> = {
  'claude-code': (name) => (name.endsWith('.jsonl') ? name : undefined),
  codex: (name, id) =>
    jsonl(
      name,
      (file) => `sessions/2026/11/21/${file.startsWith('rollout-') ? file : `rollout-2026-11-21T00-00-00-${id}.jsonl`}`,
    ),
  copilot: (name, id) =>
    jsonl(name, (file) => {
      if (file === 'events.jsonl') return `session-state/${basename(dirname(name))}/${file}`;
      // One as the first versions wrote them, flat.
      return file === 'large.jsonl' ? `session-state/${id}.jsonl` : `session-state/${id}/events.jsonl`;
    }),
  gemini: (name, id) => {
    const file = basename(name);
    const extension = /\.jsonl?$/.exec(file)?.[0];
    if (extension === undefined) return undefined;
    const own = file.startsWith('session-') ? file : `session-2026-11-21T00-00-${id.slice(0, 8)}${extension}`;
    return `tmp/${dirname(name).replaceAll('/', '-')}/chats/${own}`;
  },
  qwen: (name, id) =>
    jsonl(name, (file) => `projects/-work/chats/${/^[0-9a-f-]{36}\.jsonl$/.test(file) ? file : `${id}.jsonl`}`),
  pi: (name, id) =>
    jsonl(
      name,
      (file) => `sessions/--work--/${/_.+\.jsonl$/.test(file) ? file : `2026-11-21T00-00-00-000Z_${id}.jsonl`}`,
    ),
  opencode: (name) => {
    if (name.endsWith('.db')) return basename(name);
    return name.endsWith('.json') ? name.replace(/^.*storage_v2/, 'storage') : undefined;
  },
};

function jsonl(name: string, place: (file: string) => string): string | undefined {
  return name.endsWith('.jsonl') ? place(basename(name)) : undefined;
}
