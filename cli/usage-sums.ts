// Sums over what session/usage tells: by agent, by model, by day. Pure.
import type { SessionUsage } from '../protocol/methods.ts';
import type { Usage } from '../protocol/schema.ts';

export type UsageSum = {
  name: string | null;
  sessions: number;
  messages: number;
  /** Without costUsd where no agent told a cost. */
  usage: Usage;
  /** For how many of the messages the cost is known. */
  pricedMessages: number;
};

/** The most used first, days the newest first. */
export type UsageSums = { total: UsageSum; agents: UsageSum[]; models: UsageSum[]; days: UsageSum[] };

class Summing {
  readonly #name: string | null;
  readonly #sessions = new Set<string>();
  readonly #usage: Usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  #messages = 0;
  #pricedMessages = 0;

  constructor(name: string | null) {
    this.#name = name;
  }

  add({ sessionId, messages, usage }: SessionUsage): void {
    this.#sessions.add(sessionId);
    this.#messages += messages;
    for (const field of ['input', 'output', 'reasoning', 'cacheRead', 'cacheWrite'] as const) {
      this.#usage[field] += usage[field];
    }
    if (usage.costUsd === undefined) return;
    this.#usage.costUsd = (this.#usage.costUsd ?? 0) + usage.costUsd;
    this.#pricedMessages += messages;
  }

  end(): UsageSum {
    const { size } = this.#sessions;
    const counts = { sessions: size, messages: this.#messages, pricedMessages: this.#pricedMessages };
    return { name: this.#name, ...counts, usage: this.#usage };
  }
}

/** Takes pages of items, in any order; nothing but the sums and the ids of the sessions is held. */
export class UsageSummer {
  readonly #total = new Summing(null);
  readonly #agents = new Map<string | null, Summing>();
  readonly #models = new Map<string | null, Summing>();
  readonly #days = new Map<string | null, Summing>();

  add(items: SessionUsage[]): void {
    for (const item of items) {
      this.#total.add(item);
      sumIn(this.#agents, item.agent).add(item);
      sumIn(this.#models, item.model?.modelId ?? null).add(item);
      sumIn(this.#days, item.day).add(item);
    }
  }

  end(): UsageSums {
    const ended = (sums: Map<string | null, Summing>) => [...sums.values()].map((sum) => sum.end());
    const byUse = (a: UsageSum, b: UsageSum) => tokensOf(b) - tokensOf(a) || b.messages - a.messages;
    return {
      total: this.#total.end(),
      agents: ended(this.#agents).sort(byUse),
      models: ended(this.#models).sort(byUse),
      days: ended(this.#days).sort((a, b) => (a.name! < b.name! ? 1 : -1)),
    };
  }
}

function sumIn(sums: Map<string | null, Summing>, name: string | null): Summing {
  let sum = sums.get(name);
  if (!sum) {
    sum = new Summing(name);
    sums.set(name, sum);
  }
  return sum;
}

const tokensOf = ({ usage }: UsageSum) => usage.input + usage.output + usage.cacheRead + usage.cacheWrite;
