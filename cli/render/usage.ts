// What a model used, in few words.
import type { Usage } from '../../protocol/schema.ts';
import { short } from './quantity.ts';

/** `8.5k tokens in, 612 out, 7.2k cached, $0.12`; empty when nothing was counted. `unit`: where a label tells it, none. */
export function usageText(usage: Usage, unit = ' tokens'): string {
  const cached = usage.cacheRead + usage.cacheWrite;
  if (usage.input + usage.output + cached === 0) return '';
  const pieces = [`${short(usage.input)}${unit} in`, `${short(usage.output)} out`];
  if (cached > 0) pieces.push(`${short(cached)} cached`);
  if (usage.costUsd !== undefined) pieces.push(`$${usage.costUsd.toFixed(2)}`);
  return pieces.join(', ');
}
