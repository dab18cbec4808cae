// The agents whose transcripts can be read: the one list of them.
import { claudeCodeSource } from './adapters/sources/claude-code.ts';
import { codexSource } from './adapters/sources/codex.ts';
import { copilotSource } from './adapters/sources/copilot.ts';
import { geminiSource } from './adapters/sources/gemini.ts';
import { opencodeSource } from './adapters/sources/opencode.ts';
import { piSource } from './adapters/sources/pi.ts';
import { qwenSource } from './adapters/sources/qwen.ts';

export const sourceKinds = {
  'claude-code': claudeCodeSource,
  codex: codexSource,
  opencode: opencodeSource,
  gemini: geminiSource,
  copilot: copilotSource,
  qwen: qwenSource,
  pi: piSource,
};

export type SourceKind = keyof typeof sourceKinds;
export const sourceKindNames = Object.keys(sourceKinds) as SourceKind[];
