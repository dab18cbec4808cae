// What a tail tells beside the events, on stderr: that the daemon went and came back, what of the journal was missed, and why
// it cannot begin where it was told to.
import { parseCursor } from '../../protocol/cursor.ts';
import type { RpcError } from '../../protocol/errors.ts';

export type TailNotice =
  /** How a tail by name begins, behind `seq`; `live`: the name is new. */
  | { is: 'begun'; mode: string; seq: number; cursor: string }
  /** `reason`: the connection `closed`, or the daemon's own word; `seq`: the last event that was printed or passed. */
  | { is: 'lost'; reason: string; seq: number | undefined }
  | { is: 'back'; mode: string; seq: number; cursor: string }
  /** It could not be gone on from `behind`; it goes on behind `seq`. Without `behind` it begins with all that is kept. */
  | { is: 'gap'; reason: string; behind: number | undefined; seq: number; cursor: string };

/** One line; `program` is how the program names itself, `isNamed`: it is told to a tail by name. */
export function noticeLine(notice: TailNotice, program: string, isNamed: boolean): string {
  const { is, seq } = notice;
  if (is === 'gap') return gapLine(notice, isNamed);
  if (is === 'begun') {
    return notice.mode === 'live' ? `a new name: it begins with what comes now` : `goes on behind event ${seq}`;
  }
  if (is === 'back') return `the daemon is back: ${notice.mode} behind event ${seq}, nothing was missed`;
  const what = notice.reason === 'shuttingDown' ? 'the daemon was stopped' : 'the connection to the daemon is lost';
  return `${what}; waiting for it behind event ${seq} (to start it: ${program} start; Ctrl-C ends)`;
}

/** Why a tail cannot go on from the cursor that was typed; undefined where it was refused for something else. */
export function refusedText({ kind, data }: RpcError, from: string): string | undefined {
  switch (kind) {
    case 'CursorExpired': {
      const earliest = parseCursor(String(data.earliest));
      return goneText(parseCursor(from)?.seq ?? 0, earliest?.seq ?? 0, journalRule);
    }
    case 'StoreChanged':
      return 'that cursor is of another store: mistyped, or the store was made anew';
    case 'CursorInFuture':
    case 'Diverged':
      return 'this store never gave that cursor: mistyped, or the store was put back to an older state';
    default:
      return undefined;
  }
}

/** The settings that say what is kept: for everybody, and for a name from its place on. */
const [journalRule, nameRule] = ['[retention] maxEvents, maxAgeMs', '[retention] maxLagEvents'];

/** `behind` undefined: from the first on. */
function goneText(behind: number | undefined, seq: number, rule: string): string {
  const which = behind === undefined ? `up to ${seq}` : `${behind + 1} to ${seq}`;
  return `events ${which} are gone, the journal keeps them no longer (${rule})`;
}

function gapLine({ reason, behind, seq }: Extract<TailNotice, { is: 'gap' }>, isNamed: boolean): string {
  if (reason === 'CursorExpired') {
    if (behind === undefined) return `${goneText(behind, seq, journalRule)}; beginning with event ${seq + 1}`;
    const gone = goneText(behind, seq, `${reason}; ${isNamed ? nameRule : journalRule}`);
    return `missed: ${gone}; going on with event ${seq + 1}`;
  }
  const what = reason === 'StoreChanged' ? 'this is another store' : 'the store was put back to an older state';
  const last = behind === undefined ? 'what was acknowledged' : `event ${behind}`;
  return (
    `missed: what came behind ${last}, if anything: ${what} (${reason}); ` +
    `going on with all that it keeps, from event ${seq + 1}, whether it was printed before or not`
  );
}
