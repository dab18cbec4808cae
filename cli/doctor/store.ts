// The store: its schema, and whether it is whole. A damaged one is never mended by itself: a backup is better.
import { findBackups } from '../backups.ts';
import type { Context } from '../context.ts';
import { cleanStart } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { shellQuote } from '../shell-quote.ts';
import type { Check, Finding } from './finding.ts';

const about = 'store';

export const checkStore: Check = (context, condition) => {
  if (condition.daemon === 'silent') return [{ about, state: 'note', text: 'it could not be looked at: see lock' }];
  if (condition.daemon === 'runs') {
    const { status, problems } = condition;
    if (problems === undefined) return [{ about, state: 'note', text: 'the daemon that runs is too old to check it' }];
    return problems.length > 0
      ? problemsOf(context, problems)
      : [
          {
            about,
            state: 'fine',
            text: `whole, ${countOf(status.sessions, 'session')}, ${countOf(status.events, 'event')}`,
          },
        ];
  }
  const { store, why } = condition;
  if (store === undefined) {
    return [{ about, state: 'wrong', text: `it could not be looked at: ${cleanStart(why ?? '', 300)}` }];
  }
  if (store === null) return [{ about, state: 'fine', text: 'there is none yet: it is made when the daemon starts' }];
  if (store.problems.length > 0) return problemsOf(context, store.problems);
  const { schema, newestSchema } = store;
  if (schema > newestSchema) {
    const text = `it has schema ${schema}, and this sessiond knows schema ${newestSchema}`;
    return [{ about, state: 'wrong', text, todo: 'start the newer sessiond that wrote it' }];
  }
  const whole: Finding = { about, state: 'fine', text: `whole, schema ${schema}` };
  if (schema === newestSchema) return [whole];
  const text = `the next start brings it to schema ${newestSchema}, after a copy of it`;
  return [whole, { about, state: 'note', text }];
};

function problemsOf(context: Context, problems: string[]): Finding[] {
  const [newest] = findBackups(context);
  const todo =
    newest === undefined
      ? 'restore a backup, where you have one; else move store.db away: transcripts are read again'
      : `${context.program} restore ${shellQuote(newest)}`;
  return problems.map((text, at) => ({
    about,
    state: 'wrong',
    text: cleanStart(text, 300),
    ...(at === problems.length - 1 && { todo }),
  }));
}
