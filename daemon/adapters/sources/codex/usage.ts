// What a request used, and what the thread has used so far: written twice by new versions (token_usage_record, then
// token_count), and once more whenever only the rate limits changed. The total tells whether it was counted already.
import type { Usage } from '../../../../protocol/schema.ts';
import { countOf, type Fields, findFields, findText } from '../../kit/json.ts';

/** `total` is kept between reads. */
export type Counted = { usage: Usage; total: Usage };

/** The store's own bound of a count. */
const maxTokens = 1e12;

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
  const add = (name: 'input' | 'output' | 'reasoning' | 'cacheRead' | 'cacheWrite') =>
    Math.min(a[name] + b[name], maxTokens);
  return {
    input: add('input'),
    output: add('output'),
    reasoning: add('reasoning'),
    cacheRead: add('cacheRead'),
    cacheWrite: add('cacheWrite'),
  };
}

/** Codex counts what was read from or written to the cache inside the input, and reasoning inside the output. */
function usageOf(counts: Fields): Usage {
  const count = (name: string) => Math.min(countOf(counts[name]), maxTokens);
  const cacheRead = count('cached_input_tokens');
  const cacheWrite = count('cache_write_input_tokens');
  return {
    input: Math.max(0, count('input_tokens') - cacheRead - cacheWrite),
    output: count('output_tokens'),
    reasoning: count('reasoning_output_tokens'),
    cacheRead,
    cacheWrite,
  };
}

const sumOf = (usage: Usage) => usage.input + usage.output + usage.cacheRead + usage.cacheWrite;
