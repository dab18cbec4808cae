// The daemon that runs, this command, and Node.
import { cleanLine } from '../render/clean.ts';
import { skewOf } from '../version-skew.ts';
import type { Check } from './finding.ts';

export const checkVersions: Check = ({ program, version }, condition) => {
  const about = 'versions';
  const node = `Node ${process.versions.node}`;
  if (condition.daemon !== 'runs') {
    const none = condition.daemon === 'absent' ? 'no daemon runs' : 'no daemon answers';
    return [{ about, state: 'fine', text: `sessiond ${version}, ${node}; ${none}` }];
  }
  const daemon = cleanLine(condition.status.version);
  const skew = skewOf(condition.status.version, version);
  if (skew === undefined) return [{ about, state: 'fine', text: `sessiond ${version}, ${node}` }];
  const todo = skew === 'newer' ? 'update this command' : `${program} stop, then ${program} start`;
  return [{ about, state: 'wrong', text: `the daemon is version ${daemon}, this command is ${version}`, todo }];
};
