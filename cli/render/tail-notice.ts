// What a tail tells beside the events, on stderr: that the daemon went and came back, and what of the journal was missed.

export type TailNotice =
  /** How a tail by name begins, behind `seq`; `live`: the name is new. */
  | { is: 'begun'; mode: string; seq: number; cursor: string }
  /** `reason`: the connection `closed`, or the daemon's own word; `seq`: the last event that was printed or passed. */
  | { is: 'lost'; reason: string; seq: number | undefined }
  | { is: 'back'; mode: string; seq: number; cursor: string }
  /** It could not be gone on from `behind`, where that is known; it goes on behind `seq`. */
  | { is: 'gap'; reason: string; behind: number | undefined; seq: number; cursor: string };

/** One line; `program` is how the program names itself. */
export function noticeLine(notice: TailNotice, program: string): string {
  const { is, seq } = notice;
  if (is === 'gap') return gapLine(notice);
  if (is === 'begun') {
    return notice.mode === 'live' ? `a new name: it begins with what comes now` : `goes on behind event ${seq}`;
  }
  if (is === 'back') return `the daemon is back: ${notice.mode} behind event ${seq}, nothing was missed`;
  const what = notice.reason === 'shuttingDown' ? 'the daemon was stopped' : 'the connection to the daemon is lost';
  return `${what}; waiting for it behind event ${seq} (to start it: ${program} start; Ctrl-C ends)`;
}

function gapLine({ reason, behind, seq }: Extract<TailNotice, { is: 'gap' }>): string {
  if (reason === 'CursorExpired') {
    const from = behind === undefined ? 'up to' : `${behind + 1} to`;
    return `missed: events ${from} ${seq} are gone, the journal keeps them no longer (${reason}); going on with event ${seq + 1}`;
  }
  const what = reason === 'StoreChanged' ? 'this is another store' : 'the store was put back to an older state';
  const last = behind === undefined ? 'what was acknowledged' : `event ${behind}`;
  return (
    `missed: what came behind ${last}, if anything: ${what} (${reason}); ` +
    `going on with all that it keeps, from event ${seq + 1}, whether it was printed before or not`
  );
}
