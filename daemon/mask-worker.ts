// The worker that masks secrets in what goes out: one piece after another, as engine/mask.ts gives them.
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { MaskFinding } from '../protocol/outbox.ts';
import type { TextMask } from './core/mask/item.ts';
import { maskItem } from './core/mask/item.ts';
import { Masking, unclear } from './core/mask/masking.ts';
import { ownRules } from './core/mask/own.ts';
import type { MaskAnswer, MaskTask, MaskWorkerData, Unmaskable } from './engine/mask.ts';
import { presetRules } from './engine/mask-preset.ts';

/** No host takes a text as long as this (maxFrameBytes), and looking through one may take all memory. UTF-16 units. */
const maxUnits = 8 << 20;

const masking = new Masking([...ownRules, ...presetRules]);
const { at } = workerData as MaskWorkerData;

parentPort!.on('message', (task: MaskTask) => {
  let answer: MaskAnswer;
  try {
    answer = answerTo(task);
  } catch (error) {
    answer = { error: (error as Error).name };
  }
  parentPort!.postMessage(answer);
});

/** Tells which text it looks at, and masks whole those that it must not look at. */
class GuardedMask implements TextMask {
  readonly unmaskable: Unmaskable[] = [];
  readonly #task: MaskTask;

  constructor(task: MaskTask) {
    this.#task = task;
  }

  mask(text: string, name?: string): string {
    const number = Atomics.add(at, 0, 1) + 1;
    const { failed, known, overUnits = maxUnits } = this.#task;
    if (failed.includes(number)) {
      this.unmaskable.push({ units: text.length, digest: digestOf(text) });
      return unclear;
    }
    const isKnown = known.some(({ units, digest }) => units === text.length && digest === digestOf(text));
    if (text.length > overUnits || isKnown) return unclear;
    try {
      return masking.mask(text, name);
    } catch {
      return unclear;
    }
  }
}

function answerTo(task: MaskTask): MaskAnswer {
  const { items, maxFindings } = task;
  const mask = new GuardedMask(task);
  if (maxFindings === undefined) {
    return { masked: items.map((item) => maskItem(item, mask)), unmaskable: mask.unmaskable };
  }
  const findings = items.flatMap((item) => {
    const found: MaskFinding[] = [];
    maskItem(item, mask, (finding) => {
      if (found.length < maxFindings) found.push(finding);
    });
    return found;
  });
  return { findings, unmaskable: mask.unmaskable };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
