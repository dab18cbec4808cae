// The ops of one writer: of all types, on sessions of its own and now and then on another's. It keeps what it has made, so
// that most of its ops find their records; what is refused all the same is part of the test.
import type { Op, OpType } from '../../../protocol/schema.ts';
import { Dice } from './dice.ts';

type Made = {
  id: string;
  messages: Map<string, Map<string, { field: 'text' | 'output' | undefined; units: number }>>;
  assistants: Set<string>;
  turn: string | undefined;
  blockers: Map<string, 'question' | 'permission'>;
  artifacts: string[];
};

/** What a surrogate pair, an escape or a line separator does to offsets and frames, now and then. */
const texts = ['a', 'word ', 'é', '😀', '👩‍👩‍👧', '"\\"\n', '\u2028', '\u{10ffff}', '漢字', ''] as const;
const model = { providerId: 'p', modelId: 'm' };
/** In UTF-16 units. Several of these in one op are over 256 KiB. */
const fatPart = 32_000;

export const directories = ['/d0', '/d1', '/d2'];
export const agents = ['a0', 'a1', 'a2'];

/** The id of a writer's session: readers know it before it is there. */
export const sessionIdOf = (writer: number, nth: number) => `ses_w${writer}_${nth}`;

export class OpMaker {
  readonly #writer: number;
  readonly #dice: Dice;
  readonly #sessions = new Map<string, Made>();
  #made = 0;
  #lastId = 0;
  #lastOp = 0;

  constructor(seed: number, writer: number) {
    this.#writer = writer;
    this.#dice = new Dice(seed, `writer ${writer}`);
  }

  /** The next op; `fat`: one of over 256 KiB. */
  next(fat: boolean): Op {
    if (this.#sessions.size === 0) return this.#create();
    if (fat) return this.#fat();
    const type = this.#dice.weighted<OpType>({
      'session/create': this.#sessions.size < 3 ? 3 : 0.3,
      'session/update': 3,
      'session/delete': this.#sessions.size > 1 ? 0.7 : 0,
      'turn/start': 5,
      'turn/heartbeat': 1,
      'turn/finish': 5,
      'message/put': 10,
      'message/remove': 1,
      'part/put': 14,
      'part/delta': 26,
      'part/remove': 1.5,
      'blocker/ask': 3,
      'blocker/answer': 2.5,
      'blocker/reject': 1,
      'artifact/put': 4,
      'artifact/remove': 1,
    });
    if (type === 'session/create') return this.#create();
    const made = this.#dice.pick([...this.#sessions.values()]);
    return this.#make(type, made) ?? this.#putMessage(made);
  }

  /** What ends the turns that are open, so that nothing moves any more behind it. */
  ends(): Op[] {
    return [...this.#sessions.values()].flatMap((made) => {
      const { turn } = made;
      made.turn = undefined;
      return turn ? [this.#op('turn/finish', { turnId: turn, state: 'completed', finish: 'stop' })] : [];
    });
  }

  #op(type: OpType, params: object): Op {
    this.#lastOp += 1;
    const occurredAt = this.#dice.chance(0.05) ? { occurredAt: 1_700_000_000_000 + this.#lastOp } : {};
    return { opId: `op-w${this.#writer}-${this.#lastOp}`, type, params, ...occurredAt } as Op;
  }

  #id(prefix: string): string {
    this.#lastId += 1;
    return `${prefix}_w${this.#writer}_${this.#lastId}`;
  }

  #text(pieces = this.#dice.int(1, 6)): string {
    return Array.from({ length: pieces }, () => this.#dice.pick(texts)).join('');
  }

  #create(): Op {
    const id = sessionIdOf(this.#writer, this.#made);
    this.#made += 1;
    this.#sessions.set(id, {
      id,
      messages: new Map(),
      assistants: new Set(),
      turn: undefined,
      blockers: new Map(),
      artifacts: [],
    });
    const directory = this.#dice.pick(directories);
    return this.#op('session/create', {
      sessionId: id,
      title: this.#text(),
      directory,
      agent: this.#dice.pick(agents),
    });
  }

  #fat(): Op {
    const made = this.#dice.pick([...this.#sessions.values()]);
    const text = this.#text(20);
    const parts = Array.from({ length: this.#dice.int(6, 7) }, () => ({
      type: 'text' as const,
      text: text.padEnd(fatPart, 'x😀').slice(0, fatPart).toWellFormed(),
    }));
    if (made.turn) {
      const { turn } = made;
      made.turn = undefined;
      return this.#op('turn/finish', { turnId: turn, state: 'completed', parts });
    }
    made.turn = this.#id('trn');
    return this.#op('turn/start', { sessionId: made.id, turnId: made.turn, agent: 'fat', model, parts });
  }

  #putMessage(made: Made): Op {
    const isNew = made.messages.size === 0 || this.#dice.chance(0.7);
    const id = isNew ? this.#id('msg') : this.#dice.pick([...made.messages.keys()]);
    const metadata = this.#dice.chance(0.3) ? { metadata: { n: this.#lastOp } } : {};
    if (!isNew) {
      const role = made.assistants.has(id) ? 'assistant' : 'user';
      return this.#op('message/put', { sessionId: made.id, messageId: id, role, metadata: { n: this.#lastOp } });
    }
    made.messages.set(id, new Map());
    const { turn } = made;
    if (turn) made.assistants.add(id);
    const usage = { input: 1, output: 2, reasoning: 0, cacheRead: 3, cacheWrite: 0, costUsd: 0.1 };
    const joined = turn ? { turnId: turn, usage } : {};
    const role = turn ? 'assistant' : 'user';
    return this.#op('message/put', { sessionId: made.id, messageId: id, role, ...joined, ...metadata });
  }

  #make(type: OpType, made: Made): Op | undefined {
    const sessionId = made.id;
    const dice = this.#dice;
    const other = sessionIdOf(dice.int(0, 3), dice.int(0, 2));
    const message = made.messages.size > 0 ? dice.pick([...made.messages.keys()]) : undefined;
    const parts = [...made.messages].flatMap(([messageId, held]) =>
      [...held].map(([partId, part]) => ({ messageId, partId, part })),
    );
    switch (type) {
      case 'session/update': {
        const change = dice.pick([
          { title: this.#text() },
          { archived: dice.chance(0.5) },
          { metadata: { k: this.#lastOp } },
        ]);
        return this.#op(type, { sessionId: dice.chance(0.2) ? other : sessionId, ...change });
      }
      case 'session/delete':
        this.#sessions.delete(sessionId);
        return this.#op(type, { sessionId });
      case 'turn/start': {
        if (made.turn) return undefined;
        made.turn = this.#id('trn');
        const lease = dice.chance(0.1) ? { leaseMs: dice.int(1, 400) } : {};
        const asked = [{ type: 'text', text: this.#text() }];
        return this.#op(type, {
          sessionId,
          turnId: made.turn,
          agent: dice.pick(agents),
          model,
          parts: asked,
          ...lease,
        });
      }
      case 'turn/heartbeat':
        return made.turn ? this.#op(type, { turnId: made.turn }) : undefined;
      case 'turn/finish': {
        if (!made.turn) return undefined;
        const { turn } = made;
        made.turn = undefined;
        const extra = dice.chance(0.5) ? { parts: [{ type: 'text', text: this.#text() }] } : {};
        return this.#op(type, { turnId: turn, state: dice.pick(['completed', 'failed', 'aborted']), ...extra });
      }
      case 'message/put':
        return this.#putMessage(made);
      case 'message/remove':
        if (!message) return undefined;
        made.messages.delete(message);
        return this.#op(type, { sessionId, messageId: message });
      case 'part/put': {
        if (!message) return undefined;
        const partId = this.#id('prt');
        const text = this.#text();
        const content = dice.pick([
          { type: 'text', text },
          { type: 'text', text },
          { type: 'reasoning', text },
          { type: 'tool', callId: 'c', tool: 't', state: dice.pick(['running', 'completed']), output: text },
          { type: 'data', kind: 'k', value: [text, null, 1.5] },
        ]);
        const field = content.type === 'data' ? undefined : content.type === 'tool' ? 'output' : 'text';
        made.messages.get(message)!.set(partId, { field, units: text.length });
        return this.#op(type, { sessionId, messageId: message, partId, part: content });
      }
      case 'part/delta': {
        const streamed = parts.filter(({ part }) => part.field !== undefined).slice(-3);
        if (streamed.length === 0) return undefined;
        const { partId, part } = dice.pick(streamed);
        const text = this.#text() || 'x';
        const offset = part.units + (dice.chance(0.03) ? 1 : 0);
        if (offset === part.units) part.units += text.length;
        return this.#op(type, { sessionId, partId, field: part.field, offset, text });
      }
      case 'part/remove': {
        if (parts.length === 0) return undefined;
        const { messageId, partId } = dice.pick(parts);
        made.messages.get(messageId)!.delete(partId);
        return this.#op(type, { sessionId, partId });
      }
      case 'blocker/ask': {
        const blockerId = this.#id('blk');
        const kind = dice.pick(['question', 'permission'] as const);
        made.blockers.set(blockerId, kind);
        const question = { question: 'q', header: 'h', options: [{ label: 'yes' }, { label: 'no' }] };
        const request = kind === 'question' ? { questions: [question] } : { permission: 'p' };
        const turn = made.turn && dice.chance(0.5) ? { turnId: made.turn } : {};
        return this.#op(type, { sessionId, blockerId, kind, request, ...turn });
      }
      case 'blocker/answer':
      case 'blocker/reject': {
        if (made.blockers.size === 0) return undefined;
        const [blockerId, kind] = dice.pick([...made.blockers]);
        if (dice.chance(0.8)) made.blockers.delete(blockerId);
        if (type === 'blocker/reject') return this.#op(type, { sessionId, blockerId, reason: 'no' });
        const answer = kind === 'question' ? { answers: [['yes']] } : { decision: 'once' };
        return this.#op(type, { sessionId, blockerId, answer });
      }
      case 'artifact/put': {
        const key = dice.pick(['x', 'y', 'z']);
        made.artifacts.push(key);
        return this.#op(type, {
          sessionId: dice.chance(0.4) ? other : sessionId,
          kind: 'todo',
          key,
          data: this.#lastOp,
        });
      }
      case 'artifact/remove':
        if (made.artifacts.length === 0) return undefined;
        return this.#op(type, { sessionId, kind: 'todo', key: dice.pick(made.artifacts) });
      default:
        return undefined;
    }
  }
}
