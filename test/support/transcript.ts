// Small transcripts in the shape of Claude Code's, for tests of the engine: the format itself is tested in test/adapters.

import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

let clock = Date.parse('2026-01-02T03:04:05.000Z');

/** One user or assistant line, with its line end. */
export function line(sessionId: string, role: 'user' | 'assistant', text: string, uuid: string = randomUUID()): string {
  clock += 1_000;
  const message =
    role === 'user'
      ? { role, content: text }
      : {
          role,
          id: `api-${uuid}`,
          model: 'model-x',
          content: [{ type: 'text', text }],
          usage: { input_tokens: 1, output_tokens: 2 },
        };
  return `${JSON.stringify({
    type: role,
    uuid,
    parentUuid: null,
    sessionId,
    cwd: '/work/project',
    timestamp: new Date(clock).toISOString(),
    message,
  })}\n`;
}

/** Where Claude Code would write a session. */
export function transcriptPath(projects: string, sessionId: string): string {
  return join(projects, '-work-project', `${sessionId}.jsonl`);
}

/** Appends to a transcript as the agent does: the file is opened, written to and closed. */
export function append(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, text);
}
