// What the messages cost, summed by session, day and model: read from the messages in bounded bites, so that nothing has to
// be kept up to date for it.
import type { Model, Usage } from '../../protocol/schema.ts';
import type { Page } from './lists.ts';
import type { Db } from './open.ts';

/** Sessions and messages looked at for one page: some 10 ms. */
const maxSessions = 1_000;
const maxMessages = 5_000;

/** `counts`: it is there, and has changed since the time that is asked from. */
type SessionRow = { key: number; id: string; agent: string | null; counts: 0 | 1 };
type Row = { idx: number; agent: string | null; at: number; model: string | null; usage: string | null };
/** Behind which message the page before ended: the key of its session, and its index there. */
type Place = [session: number, idx: number];

export class UsageRows {
  readonly #sessions;
  readonly #sessionsOf;
  readonly #messages;

  constructor(db: Db) {
    const session = `
      s.key, s.id, coalesce(s.current_agent, s.agent) AS agent, s.record IS NOT NULL AND s.updated_at >= ? AS counts`;
    this.#sessions = db.prepare(
      `SELECT ${session} FROM session s WHERE s.key >= ? ORDER BY s.key LIMIT ${maxSessions}`,
    );
    // CROSS: each is looked up by its id.
    this.#sessionsOf = db.prepare(`
      SELECT ${session} FROM json_each(?) named CROSS JOIN session s ON s.id = named.value
       WHERE s.key >= ? ORDER BY s.key LIMIT ${maxSessions}`);
    this.#messages = db.prepare(`
      SELECT m.idx, b.json ->> '$.agent' AS agent, b.json ->> '$.createdAt' AS at, b.json -> '$.model' AS model,
             b.json -> '$.usage' AS usage
        FROM message m JOIN body b ON b.seq = m.body
       WHERE m.session = ? AND m.idx > ? ORDER BY m.idx LIMIT ?`);
  }

  /** Items of SessionUsage (protocol/methods.ts) for messages from `since` on, of `sessions` alone where these are given. A page may be empty and have a next one. */
  read(
    since: number,
    dayOf: (at: number) => string,
    limit: number,
    after: string | undefined,
    sessions?: string[],
  ): Page {
    const [from, behind] = after === undefined ? [0, -1] : (JSON.parse(after) as Place);
    const rows = (
      sessions ? this.#sessionsOf.all(since, JSON.stringify(sessions), from) : this.#sessions.all(since, from)
    ) as SessionRow[];
    const sums = new Map<string, ReturnType<typeof newSum>>();
    const page = (next: Place | undefined): Page => ({
      items: [...sums.values()].map((sum) => JSON.stringify(sum)),
      next: next && JSON.stringify(next),
    });
    let left = maxMessages;
    for (const session of rows) {
      if (session.counts === 0) continue;
      let idx = session.key === from ? behind : -1;
      const messages = this.#messages.all(session.key, idx, left) as Row[];
      for (const row of messages) {
        if (row.at >= since && row.usage !== null && row.usage !== 'null') {
          const day = dayOf(row.at);
          const agent = row.agent ?? session.agent;
          const name = JSON.stringify([session.key, day, row.model, agent]);
          const sum = sums.get(name) ?? newSum(session.id, agent, row.model, day);
          if (sums.size === limit && !sums.has(name)) return page([session.key, idx]);
          sums.set(name, sum);
          add(sum, JSON.parse(row.usage) as Usage);
        }
        idx = row.idx;
      }
      left -= messages.length;
      if (left === 0) return page([session.key, idx]);
    }
    const last = rows.at(-1);
    return page(last && rows.length === maxSessions ? [last.key + 1, -1] : undefined);
  }
}

function newSum(id: string, agent: string | null, model: string | null, day: string) {
  const usage: Usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  return { sessionId: id, agent, model: JSON.parse(model ?? 'null') as Model | null, day, messages: 0, usage };
}

function add(sum: ReturnType<typeof newSum>, usage: Usage): void {
  sum.messages += 1;
  for (const name of ['input', 'output', 'reasoning', 'cacheRead', 'cacheWrite'] as const)
    sum.usage[name] += usage[name];
  if (usage.costUsd !== undefined) sum.usage.costUsd = (sum.usage.costUsd ?? 0) + usage.costUsd;
}
