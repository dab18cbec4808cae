// The turns of a rollout and the assistant's message of each. A response of the model is no record in this format, and
// which responses there were it does not say: reasoning, texts and calls come one by one, and the usage of a response comes
// before them (0.47, 0.60) or behind them (0.104, 0.169). What is told is the turn. So one message holds what the assistant
// did in a turn, up to the next words of the user, who may speak while it works; its usage grows with each response. It is
// named by the turn's own id, in older files by the prompt that began it: both stay when a file is migrated.
import type { Usage } from '../../../../protocol/schema.ts';
import type { Conversation, MessageContent } from '../../kit/conversation.ts';
import type { Model } from '../../kit/facts.ts';
import type { Json } from '../../kit/json.ts';
import { shortId } from '../../kit/remember.ts';
import { agent } from './session.ts';
import { addUsage } from './usage.ts';

/** `name`: Codex's own; null for a turn that began with its prompt. `prompts`: how many there were, and the last. */
type Turn = { id: string; name: string | null; prompts: number; prompt: string | null };
type Answer = { id: string; turn: string; put: MessageContent };
export type TurnMemory = { turn: Turn | null; answer: Answer | null };

export class Turns {
  readonly #conversation: Conversation<unknown>;
  readonly #memory: TurnMemory;

  /** `memory` is kept up to date in place. */
  constructor(conversation: Conversation<unknown>, memory: TurnMemory) {
    this.#conversation = conversation;
    this.#memory = memory;
  }

  begin(name: string): void {
    if (this.#memory.turn?.name === name) return;
    this.#memory.turn = { id: name, name, prompts: 0, prompt: null };
  }

  end(): void {
    this.#memory.turn = null;
  }

  /** A prompt: of the turn that has a name, else the begin of one that has none. */
  prompt(name: string): void {
    const memory = this.#memory;
    const id = `at:${shortId(name)}`;
    if (memory.turn === null || (memory.turn.name === null && memory.turn.id !== id))
      memory.turn = { id, name: null, prompts: 0, prompt: null };
    if (memory.turn.prompt === shortId(name)) return;
    memory.turn.prompt = shortId(name);
    memory.turn.prompts += 1;
  }

  /** The message for what the assistant does now, made the latest. `name`: of the record, should no turn be open. */
  open(name: string, model: Model | null): string {
    const conversation = this.#conversation;
    this.#memory.turn ??= { id: `at:${shortId(name)}`, name: null, prompts: 0, prompt: null };
    const { turn, answer } = this.#memory;
    const id = `answer:${turn.id}:${turn.prompts}`;
    if (answer?.id === id) return conversation.goTo(id);
    const at = conversation.at.known;
    const put: MessageContent = {
      role: 'assistant',
      agent,
      ...(model === null ? {} : { model }),
      ...(at === undefined ? {} : { createdAt: at }),
      ...(turn.name === null ? {} : { metadata: { turnId: turn.name } }),
    };
    this.#memory.answer = { id, turn: turn.id, put };
    const key = conversation.versionKey(`msg:${id}`, put);
    return conversation.message(id, put, key === undefined ? {} : { key });
  }

  addUsage(usage: Usage, name: string, model: Model | null): void {
    const { put } = this.#answer(name, model);
    this.#amend({ ...put, usage: addUsage(put.usage, usage) });
  }

  /** What went wrong in the turn: the first that is told. */
  fail(error: Json, name: string, model: Model | null): void {
    const { put } = this.#answer(name, model);
    if (put.error === undefined) this.#amend({ ...put, error });
  }

  /** The answer that a count or an error belongs to: the turn's last, or when it has none yet, the one it will have. */
  #answer(name: string, model: Model | null): Answer {
    const { turn, answer } = this.#memory;
    if (answer === null || (turn !== null && answer.turn !== turn.id)) this.open(name, model);
    return this.#memory.answer as Answer;
  }

  #amend(put: MessageContent): void {
    const answer = this.#memory.answer as Answer;
    answer.put = put;
    const key = this.#conversation.versionKey(`msg:${answer.id}`, put);
    if (key !== undefined) this.#conversation.putMessage(answer.id, put, key);
  }
}
