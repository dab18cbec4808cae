// What a blocker asks and how it can be answered (PROTOCOL.md 3): zod schemas and the types inferred from them.
import { z } from 'zod';
import type { Json } from './schema.ts';

const Option = z.strictObject({ label: z.string(), description: z.string().optional() });

const Question = z.strictObject({
  question: z.string(),
  header: z.string(),
  /** May be empty: then only text of the person's own answers it. */
  options: z.array(Option).max(100),
  multiple: z.boolean().optional(),
});

export const QuestionRequest = z.strictObject({ questions: z.array(Question).min(1).max(4) });

export const PermissionRequest = z.strictObject({
  permission: z.string(),
  patterns: z.array(z.string()).max(1000).optional(),
  title: z.string().optional(),
  metadata: z
    .record(
      z.string(),
      z.custom<Json>((value) => value !== undefined, 'required'),
    )
    .optional(),
});

/** One list a question: labels of its options, or text of the person's own. */
export const QuestionAnswer = z.strictObject({ answers: z.array(z.array(z.string()).max(100)).min(1).max(4) });

export const PermissionAnswer = z.strictObject({
  decision: z.enum(['once', 'always', 'deny']),
  message: z.string().optional(),
});

export const blockerKinds = ['question', 'permission'] as const;

/** What each kind of blocker asks. */
export const BlockerRequest = z.union([QuestionRequest, PermissionRequest]);
/** How each kind of blocker is answered. */
export const BlockerAnswer = z.union([QuestionAnswer, PermissionAnswer]);
/** What a blocker was resolved with: the answer; of a rejection its reason; of one that expired nothing. */
export const BlockerResolution = z.union([...BlockerAnswer.options, z.strictObject({ reason: z.string().nullable() })]);

export type QuestionRequest = z.infer<typeof QuestionRequest>;
export type PermissionRequest = z.infer<typeof PermissionRequest>;
export type QuestionAnswer = z.infer<typeof QuestionAnswer>;
export type PermissionAnswer = z.infer<typeof PermissionAnswer>;
export type BlockerRequest = z.infer<typeof BlockerRequest>;
export type BlockerAnswer = z.infer<typeof BlockerAnswer>;
export type BlockerResolution = z.infer<typeof BlockerResolution>;
