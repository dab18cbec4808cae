// The query of GET /events as the params of events/subscribe (PROTOCOL.md 10). A name that is not known is refused, as an
// unknown member is: a filter that was misspelt would let all through.
import { RefusedError, refuseParams } from '../../../protocol/errors.ts';
import type { Params } from '../../../protocol/methods.ts';
import { methods } from '../../../protocol/methods.ts';

type Subscribe = Params<'events/subscribe'>;

const listOf = (text: string) => text.split(',').filter((each) => each !== '');
const flags: Record<string, boolean> = { true: true, false: false };

/** By name: how the value is read, and whether it is of the filter. */
const known: Record<string, { read(text: string): unknown; ofFilter: boolean }> = {
  from: { read: (text) => text, ofFilter: false },
  snapshot: { read: (text) => text, ofFilter: false },
  deltas: { read: (text) => flags[text] ?? text, ofFilter: false },
  bookmarkMs: { read: Number, ofFilter: false },
  sessions: { read: listOf, ofFilter: true },
  types: { read: listOf, ofFilter: true },
  agents: { read: listOf, ofFilter: true },
  directory: { read: (text) => text, ofFilter: true },
};

/** `lastEventId`: what a browser says when it connects again; it wins over `from`. Throws -32602. */
export function subscribeOf(query: URLSearchParams, lastEventId: string | undefined): Subscribe {
  const params: Record<string, unknown> = {};
  const filter: Record<string, unknown> = {};
  for (const [name, text] of query) {
    const one = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!one) throw refused(name, `unknown: ${name}; there is ${Object.keys(known).join(', ')}`);
    if (query.getAll(name).length > 1) throw refused(name, `${name} is there twice`);
    (one.ofFilter ? filter : params)[name] = one.read(text);
  }
  if (Object.keys(filter).length > 0) params.filter = filter;
  if (lastEventId) params.from = lastEventId;
  const parsed = methods['events/subscribe'].params.safeParse(params);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const member = path.filter((each) => each !== 'filter').join('.');
  throw refused(member, `${member}: ${message}`);
}

function refused(member: string, message: string): RefusedError {
  return new RefusedError(refuseParams(message, { member }));
}
