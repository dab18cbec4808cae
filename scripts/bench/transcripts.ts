// Transcripts to be taken in: in the shape of Claude Code's, with the mix and the sizes of lines that its real ones have
// (measured on 3,582 lines of samples: mean 2.6 KB, half under 0.85 KB, one in ten over 3.3 KB, one in a hundred over
// 32 KB; 37 % are progress, 30 % tool calls and results).
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Numbers that are the same in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const words = 'the kettle of water for tea is on a stove while leaves wait in its pot const let return if await'.split(
  ' ',
);

/** Lines of one session, at least `bytes` of them. */
export function transcript(session: number, bytes: number): string {
  const next = random(session + 1);
  const prose = (units: number) => {
    let text = '';
    while (text.length < units) text += `${words[Math.floor(next() * words.length)]}${next() < 0.1 ? '\n' : ' '}`;
    return text;
  };
  // A long tail: most are short, some are very long.
  const length = (typical: number) => Math.floor(typical * (0.3 + next() ** -0.75 - 0.9));
  const sessionId = `00000000-0000-4000-8000-${String(session).padStart(12, '0')}`;
  const started = Date.parse('2026-01-01T00:00:00Z') + session * 60_000;
  const lines: string[] = [];
  let written = 0;
  let parent: string | null = null;
  const add = (type: string, rest: object) => {
    const uuid = `${sessionId.slice(0, 24)}${String(lines.length).padStart(12, '0')}`;
    const timestamp = new Date(started + lines.length * 1_000).toISOString();
    const around = { isSidechain: false, userType: 'external', cwd: `/home/dev/project-${session % 100}`, sessionId };
    const line = JSON.stringify({
      parentUuid: parent,
      ...around,
      version: '2.1.0',
      gitBranch: 'main',
      type,
      ...rest,
      uuid,
      timestamp,
    });
    parent = uuid;
    lines.push(line);
    written += line.length + 1;
  };
  const usage = () => ({
    input_tokens: 4,
    cache_read_input_tokens: Math.floor(next() * 9e4),
    cache_creation_input_tokens: 900,
    output_tokens: 200,
  });
  const assistant = (id: string, block: object) =>
    add('assistant', {
      requestId: `req_${id}`,
      message: {
        id,
        type: 'message',
        role: 'assistant',
        model: 'model-x',
        content: [block],
        stop_reason: null,
        usage: usage(),
      },
    });
  while (written < bytes) {
    add('user', { message: { role: 'user', content: prose(length(150)) } });
    for (let call = 0; call < 6 && written < bytes; call += 1) {
      const id = `msg_${session}_${lines.length}`;
      if (call % 2 === 0) assistant(id, { type: 'text', text: prose(length(600)) });
      const input = { command: prose(40), description: prose(20) };
      assistant(id, { type: 'tool_use', id: `toolu_${id}`, name: 'Bash', input });
      for (let step = 0; step < 2; step += 1)
        add('progress', {
          data: { type: 'bash_progress', output: prose(length(60)), elapsedTimeSeconds: step },
          toolUseID: `bash-${step}`,
          parentToolUseID: `toolu_${id}`,
        });
      const output = prose(Math.min(150_000, length(1_600)));
      const result = { type: 'tool_result', tool_use_id: `toolu_${id}`, content: output };
      add('user', {
        message: { role: 'user', content: [result] },
        toolUseResult: { stdout: output, stderr: '', interrupted: false },
      });
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Where the transcript with this number lies, below the folder of all. */
export function transcriptName(file: number, folders: number): string {
  return join(`-home-dev-project-${file % folders}`, `00000000-0000-4000-8000-${String(file).padStart(12, '0')}.jsonl`);
}

/** Writes `files` transcripts of about `bytes` each into `folders` folders; returns what was written in all. */
export function writeTranscripts(projects: string, files: number, folders: number, bytes: number): number {
  let total = 0;
  for (let file = 0; file < files; file += 1) {
    const path = join(projects, transcriptName(file, folders));
    if (file < folders) mkdirSync(dirname(path), { recursive: true });
    const text = transcript(file, bytes);
    writeFileSync(path, text);
    total += Buffer.byteLength(text);
  }
  return total;
}
