// The agents whose transcripts can be read: the one list of them.
import { claudeCodeSource } from './adapters/sources/claude-code.ts';

export const sourceKinds = {
  'claude-code': claudeCodeSource,
};

export type SourceKind = keyof typeof sourceKinds;
export const sourceKindNames = Object.keys(sourceKinds) as SourceKind[];
