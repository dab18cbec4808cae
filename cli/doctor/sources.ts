// The places that transcripts are read from, as the daemon sees them.
import { cleanLine, cleanStart } from '../render/clean.ts';
import { countOf } from '../render/quantity.ts';
import { byPresence } from '../render/sources.ts';
import type { Check, Finding } from './finding.ts';

const about = 'sources';

export const checkSources: Check = ({ program }, condition) => {
  if (condition.daemon !== 'runs') return [{ about, state: 'note', text: 'only a daemon that runs knows' }];
  const { present } = byPresence(condition.status.sources);
  const found = present.flatMap(({ name, state, lastError, badRecords }): Finding[] => {
    const shown = cleanLine(name);
    if (state === 'failing') {
      const text = `${shown} is failing: ${cleanStart(lastError ?? 'unknown', 300)}`;
      return [{ about, state: 'wrong', text, todo: `put that right, then: ${program} source rescan ${shown}` }];
    }
    if (badRecords === 0) return [];
    return [
      {
        about,
        state: 'note',
        text: `${shown}: ${countOf(badRecords, 'record')} could not be read, kept as they are`,
      },
    ];
  });
  if (found.some(({ state }) => state === 'wrong')) return found;
  const names = present.map(({ name }) => cleanLine(name));
  const text = names.length === 0 ? 'no agent has written here yet' : names.join(', ');
  return [{ about, state: 'fine', text }, ...found];
};
