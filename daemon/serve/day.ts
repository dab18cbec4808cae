// The day of a time in a time zone, as YYYY-MM-DD.
import { RefusedError, refuseParams } from '../../protocol/errors.ts';

/** No zone changes its offset within one. */
const stepMs = 15 * 60_000;

/** Throws -32602 for a zone that is none (an IANA name is one, such as `Europe/Berlin`). */
export function dayIn(timeZone: string): (at: number) => string {
  let format: Intl.DateTimeFormat;
  try {
    // Sweden writes dates as ISO 8601 does.
    format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' });
  } catch {
    const message = `timeZone: there is no zone ${timeZone}; one is for example Europe/Berlin`;
    throw new RefusedError(refuseParams(message, { member: 'timeZone' }));
  }
  const days = new Map<number, string>();
  return (at) => {
    const step = Math.floor(at / stepMs);
    let day = days.get(step);
    if (day === undefined) {
      day = format.format(at);
      days.set(step, day);
    }
    return day;
  };
}
