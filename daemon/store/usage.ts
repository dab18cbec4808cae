// What the messages cost, summed by session, day and model: read from the messages in bounded bites, so that nothing has to
// be kept up to date for it.
import type { Model, Usage } from '../../protocol/schema.ts';
import type { Page } from './lists.ts';
import type { Db } from './open.ts';

/** Messages looked at for one page: some 10 ms. */
const maxMessages = 5_000;

type Row = {
  session: number;
  idx: number;
  id: string;
  agent: string | null;
  at: number;
  model: string | null;
  usage: string | null;
};

export class UsageRows {
  readonly #messages;

  constructor(db: Db) {
    this.#messages = db.prepare(`
      SELECT m.session, m.idx, s.id, coalesce(b.json ->> '$.agent', s.current_agent, s.agent) AS agent,
             b.json ->> '$.createdAt' AS at, b.json -> '$.model' AS model, b.json -> '$.usage' AS usage
        FROM message m JOIN session s ON s.key = m.session JOIN body b ON b.seq = m.body
       WHERE (m.session, m.idx) > (?, ?) AND s.record IS NOT NULL AND s.updated_at >= ?
         AND (? IS NULL OR s.id IN (SELECT value FROM json_each(?)))
       ORDER BY m.session, m.idx LIMIT ${maxMessages}`);
  }

  /** Items of SessionUsage (protocol/methods.ts) for messages from `since` on, of `sessions` alone where these are given. A page may be empty and have a next one. */
  read(
    since: number,
    dayOf: (at: number) => string,
    limit: number,
    after: string | undefined,
    sessions?: string[],
  ): Page {
    const ids = sessions === undefined ? null : JSON.stringify(sessions);
    const [session, idx] = after === undefined ? [0, -1] : (JSON.parse(after) as [number, number]);
    const rows = this.#messages.all(session, idx, since, ids, ids) as Row[];
    const sums = new Map<string, ReturnType<typeof newSum>>();
    let last: Row | undefined;
    for (const row of rows) {
      if (row.at >= since && row.usage !== null && row.usage !== 'null') {
        const day = dayOf(row.at);
        const name = JSON.stringify([row.session, day, row.model, row.agent]);
        const sum = sums.get(name) ?? newSum(row, day);
        if (sums.size === limit && !sums.has(name)) break;
        sums.set(name, sum);
        add(sum, JSON.parse(row.usage) as Usage);
      }
      last = row;
    }
    const isWhole = rows.length < maxMessages && last === rows.at(-1);
    const next = isWhole || !last ? undefined : JSON.stringify([last.session, last.idx]);
    return { items: [...sums.values()].map((sum) => JSON.stringify(sum)), next };
  }
}

function newSum({ id, agent, model }: Row, day: string) {
  const usage: Usage = { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 };
  return { sessionId: id, agent, model: JSON.parse(model ?? 'null') as Model | null, day, messages: 0, usage };
}

function add(sum: ReturnType<typeof newSum>, usage: Usage): void {
  sum.messages += 1;
  for (const name of ['input', 'output', 'reasoning', 'cacheRead', 'cacheWrite'] as const)
    sum.usage[name] += usage[name];
  if (usage.costUsd !== undefined) sum.usage.costUsd = (sum.usage.costUsd ?? 0) + usage.costUsd;
}
