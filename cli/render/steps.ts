// The steps of a plan, which agents tell as the input of a tool of theirs: `todos` or a `plan`.
import { cleanStart } from './clean.ts';

/** `[x] write the test` for each step; undefined when the input is no plan. */
export function planSteps(input: unknown): string[] | undefined {
  const { todos, plan = todos } = (input ?? {}) as { todos?: unknown; plan?: unknown };
  if (!Array.isArray(plan) || plan.length === 0) return undefined;
  const steps = plan.map(stepText);
  return steps.every((step) => step !== undefined) ? steps : undefined;
}

/** `1 of 3 done`; undefined when the input is no plan. */
export function planSummary(input: unknown): string | undefined {
  const steps = planSteps(input);
  return steps && `${steps.filter((step) => step.startsWith('[x]')).length} of ${steps.length} done`;
}

function stepText(step: unknown): string | undefined {
  const { status, content, description = content, step: words = description } = (step ?? {}) as Record<string, unknown>;
  if (typeof words !== 'string' || typeof status !== 'string') return undefined;
  return `[${status === 'completed' ? 'x' : ' '}] ${cleanStart(words, 300)}`;
}
