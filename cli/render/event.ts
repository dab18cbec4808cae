// One event as one line: when, in which session, what, and in a few words what it says.
import type { Event, Part, Turn } from '../../protocol/schema.ts';
import { blockerText } from './blocker.ts';
import { cleanLine, cleanStart } from './clean.ts';
import { errorText } from './error-text.ts';
import { patchSummary } from './patch.ts';
import { shownPath } from './path.ts';
import { shortId } from './short-id.ts';
import type { Style } from './style.ts';
import { duration, localDate, localTime } from './time.ts';
import { toolSummary } from './tool.ts';
import { usageText } from './usage.ts';
import { pad, truncateEnd } from './width.ts';

const longestType = 'artifact/updated'.length;
/** How much is shown of a text into a pipe, where no width cuts it. */
const briefUnits = 200;

export type EventLineOptions = { width: number; style: Style; home: string; now: number };

/** The line, not wider than asked for. */
export function eventLine(event: Event, { width, style, home, now }: EventLineOptions): string {
  const at = event.occurredAt ?? event.at;
  const time = localDate(at) === localDate(now) ? localTime(at) : `${localDate(at)} ${localTime(at)}`;
  const id = cleanLine(shortId(event.sessionId));
  const type = pad(cleanLine(event.type), longestType);
  const room = width - time.length - id.length - type.length - 6;
  const brief = truncateEnd(eventBrief(event, home), Math.max(room, 10));
  return `${style.dim(time)}  ${style.cyan(id)}  ${paintType(type, style)}  ${brief}`.trimEnd();
}

function paintType(type: string, style: Style): string {
  if (/\/(deleted|removed)/.test(type)) return style.red(type);
  return type.startsWith('part/') ? type : style.green(type);
}

/** What the event says, in one line of clean text. */
export function eventBrief(event: Event, home: string): string {
  switch (event.type) {
    case 'session/created':
    case 'session/updated': {
      const { agent, title, directory } = event.data;
      return join([agent, title, directory === null ? null : shownPath(directory, home)]);
    }
    case 'session/deleted':
      return '';
    case 'message/updated': {
      const { role, agent, model, error, usage } = event.data;
      const failure = error === null || error === undefined ? null : errorText(error);
      return join([role, agent, model?.modelId, failure, usage && usageText(usage)]);
    }
    case 'message/removed':
      return brief(event.data.messageId);
    case 'part/updated':
      return partBrief(event.data);
    case 'part/delta':
      return `+ ${brief(event.data.text)}`;
    case 'part/removed':
      return brief(event.data.partId);
    case 'turn/updated':
      return turnBrief(event.data);
    case 'blocker/updated':
      return brief(blockerText(event.data));
    case 'artifact/updated':
    case 'artifact/removed':
      return join([event.data.kind, event.data.key]);
    default:
      return unknownBrief(event);
  }
}

/** A newer daemon's event types are shown as they are. */
function unknownBrief(event: never): string {
  return brief(JSON.stringify((event as { data?: unknown }).data) ?? '');
}

/** `created · codex · gpt-5`, `failed · ApiError: overloaded · 8.5k tokens in, 612 out · after 12s`. */
function turnBrief({ state, agent, model, finish, error, usage, startedAt, endedAt }: Turn): string {
  if (typeof endedAt !== 'number') return join([state, agent, model?.modelId]);
  const failure = error === null || error === undefined ? null : errorText(error);
  return join([state, finish, failure, usage && usageText(usage), `after ${duration(endedAt - startedAt)}`]);
}

function partBrief(part: Part): string {
  switch (part.type) {
    case 'text':
      return brief(part.text);
    case 'reasoning':
      return `(reasoning) ${brief(part.text)}`;
    case 'tool':
      return toolSummary(part);
    case 'file':
      return join([part.mime, part.filename]);
    case 'patch':
      return `patch ${patchSummary(part.files)}`.trim();
    case 'step':
      return join([`step ${part.phase}`, part.reason]);
    case 'data':
      return `data ${brief(part.kind)}`;
    default:
      return unknownBrief(part);
  }
}

function brief(text: string): string {
  return cleanStart(text, briefUnits);
}

function join(pieces: (string | null | undefined)[]): string {
  return pieces
    .map((piece) => brief(piece ?? ''))
    .filter((piece) => piece !== '')
    .join(' · ');
}
