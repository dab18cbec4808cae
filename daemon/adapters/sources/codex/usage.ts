// What a request used, and what the thread has used so far: written twice by new versions (token_usage_record, then
// token_count), and once more whenever only the rate limits changed. The total tells whether it was counted already.
import type { Usage } from '../../../../protocol/schema.ts';
import { countOf, type Fields, findFields, findText } from '../../kit/json.ts';

/** `total` is kept between reads. */
export type Counted = { usage: Usage; total: Usage };

/** What the record counts: undefined for one without both counts, or of another thread than this one. */
export function countedIn(sessionKey: string, payload: Fields): Counted | undefined {
  const thread = findText(payload, 'thread_id');
  if (thread !== undefined && thread.toLowerCase() !== sessionKey) return undefined;
  const info = findFields(payload, 'info') ?? {};
  const last = findFields(info, 'last_token_usage') ?? findFields(payload, 'usage');
  const total = findFields(info, 'total_token_usage') ?? findFields(payload, 'thread_token_usage');
  return last && total && { usage: usageOf(last), total: usageOf(total) };
}

/**
 * Whether these counts are new, after a record that told the total `before`: a total that did not grow was told already.
 * One that is smaller begins anew when it is all of this one request.
 */
export function isNews({ usage, total }: Counted, before: Usage | null): boolean {
  if (before === null) return true;
  const [now, then] = [sumOf(total), sumOf(before)];
  return now > then || (now < then && now === sumOf(usage));
}

export function addUsage(a: Usage | undefined | null, b: Usage): Usage {
  if (!a) return b;
  return {
    input: countOf(a.input, b.input),
    output: countOf(a.output, b.output),
    reasoning: countOf(a.reasoning, b.reasoning),
    cacheRead: countOf(a.cacheRead, b.cacheRead),
    cacheWrite: countOf(a.cacheWrite, b.cacheWrite),
  };
}

/** Codex counts what was read from or written to the cache inside the input, and reasoning inside the output. */
function usageOf(counts: Fields): Usage {
  const cacheRead = countOf(counts.cached_input_tokens);
  const cacheWrite = countOf(counts.cache_write_input_tokens);
  return {
    input: Math.max(0, countOf(counts.input_tokens) - cacheRead - cacheWrite),
    output: countOf(counts.output_tokens),
    reasoning: countOf(counts.reasoning_output_tokens),
    cacheRead,
    cacheWrite,
  };
}

const sumOf = (usage: Usage) => usage.input + usage.output + usage.cacheRead + usage.cacheWrite;
