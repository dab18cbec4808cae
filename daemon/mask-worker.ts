// The worker that masks secrets in what goes out: one piece after another, as engine/mask.ts gives them.
import { parentPort } from 'node:worker_threads';
import type { MaskFinding } from '../protocol/outbox.ts';
import { maskItem } from './core/mask/item.ts';
import { Masking } from './core/mask/masking.ts';
import { ownRules } from './core/mask/own.ts';
import type { MaskAnswer, MaskTask } from './engine/mask.ts';
import { presetRules } from './engine/mask-preset.ts';

const masking = new Masking([...ownRules, ...presetRules]);

parentPort!.on('message', (task: MaskTask) => {
  let answer: MaskAnswer;
  try {
    answer = answerTo(task);
  } catch (error) {
    answer = { failed: (error as Error).name };
  }
  parentPort!.postMessage(answer);
});

function answerTo({ items, maxFindings }: MaskTask): MaskAnswer {
  if (maxFindings === undefined) return { masked: items.map((item) => maskItem(item, masking)) };
  const findings = items.flatMap((item) => {
    const found: MaskFinding[] = [];
    maskItem(item, masking, (finding) => {
      if (found.length < maxFindings) found.push(finding);
    });
    return found;
  });
  return { findings };
}
