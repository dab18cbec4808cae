// A session as lists, as snapshots, views and the tables show it, so that they can be compared.
import type { SnapshotItem } from '../../../protocol/methods.ts';
import type { SessionView } from '../../../protocol/view.ts';
import { artifactKey } from '../../../protocol/view.ts';
import type { Listed } from './history.ts';

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
const byKey = (a: { kind: string; key: string }, b: { kind: string; key: string }) =>
  artifactKey(a.kind, a.key) < artifactKey(b.kind, b.key) ? -1 : 1;

/** Messages and parts have an order; the rest has none that views keep. */
export function sorted({ session, turns, blockers, artifacts, messages }: Listed): Listed {
  return {
    session,
    turns: turns.toSorted(byId),
    blockers: blockers.toSorted(byId),
    artifacts: artifacts.toSorted(byKey),
    messages,
  };
}

export function listedOf({ session, turns, blockers, artifacts, messages }: SessionView): Listed {
  return sorted({
    session,
    turns: [...turns.values()],
    blockers: [...blockers.values()],
    artifacts: [...artifacts.values()],
    messages: [...messages.values()].map(({ message, parts }) => ({ message, parts: [...parts.values()] })),
  });
}

/** The pieces of one session as one; a message whose parts came in several has them all. */
export function listedOfItems(items: SnapshotItem[]): Listed {
  const messages = new Map<string, Listed['messages'][number]>();
  for (const { message, parts } of items.flatMap((item) => item.messages ?? [])) {
    messages.set(message.id, { message, parts: [...(messages.get(message.id)?.parts ?? []), ...parts] });
  }
  return sorted({
    session: items[0]!.session,
    turns: items.flatMap(({ turns }) => turns),
    blockers: items.flatMap(({ blockers }) => blockers),
    artifacts: items.flatMap(({ artifacts }) => artifacts),
    messages: [...messages.values()],
  });
}
