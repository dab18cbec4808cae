// opencode's record of a part -> the part, and what it holds beside that, which is kept as `data`. A part of a type that has
// no shape here, or one that breaks its shape, is `data` as a whole.
import type { PartContent } from '../../../../protocol/schema.ts';
import { type Fields, findFields, findText, type Json, timeOf } from '../../kit/json.ts';
import { usageOf } from './message.ts';

type Taken = {
  content: PartContent;
  /** What `content` has no place for. */
  rest?: Fields | undefined;
  /** Whether it breaks the shape of its type. */
  isBad: boolean;
  /** When it happened. */
  at: Json | undefined;
};
type Shape = { names: string[]; take(part: Fields): PartContent | undefined };

/** Ids are in the key and the place; times of a text or a step, and the hashes of its snapshots, are opencode's own. */
const ids = ['id', 'sessionID', 'messageID'];
const unkept = [...ids, 'type', 'time', 'snapshot'];

const shapes: { [type: string]: Shape } = {
  text: { names: ['text', 'synthetic'], take: textOf },
  reasoning: {
    names: ['text'],
    take: ({ text }) => (typeof text === 'string' ? { type: 'reasoning', text } : undefined),
  },
  tool: { names: ['callID', 'tool', 'state'], take: toolOf },
  file: { names: ['mime', 'filename', 'url'], take: fileOf },
  patch: { names: ['hash', 'files'], take: patchOf },
  'step-start': { names: [], take: () => ({ type: 'step', phase: 'start' }) },
  'step-finish': { names: ['reason', 'cost', 'tokens'], take: stepFinishOf },
};

export function partOf(part: Fields): Taken {
  const type = findText(part, 'type') ?? '';
  const shape = Object.hasOwn(shapes, type) ? shapes[type] : undefined;
  const content = shape?.take(part);
  const state = findFields(part, 'state') ?? {};
  const time = findFields(content?.type === 'tool' ? state : part, 'time') ?? {};
  const at = time.end ?? time.start ?? time.created;
  if (!shape || !content) {
    const whole: PartContent = { type: 'data', kind: `opencode/${type || 'part'}`, value: without(part, ids) };
    return { content: whole, isBad: shape !== undefined || type === '', at };
  }
  const rest = without(part, [...unkept, ...shape.names]);
  // While a tool runs, what it tells of itself changes by the second.
  if (content.type === 'tool' && (content.state === 'completed' || content.state === 'error'))
    Object.assign(rest, restOfTool(state));
  return { content, rest: Object.keys(rest).length === 0 ? undefined : rest, isBad: false, at };
}

function textOf({ text, synthetic }: Fields): PartContent | undefined {
  if (typeof text !== 'string') return undefined;
  return synthetic === true ? { type: 'text', text, synthetic } : { type: 'text', text };
}

function toolOf(part: Fields): PartContent | undefined {
  const state = findFields(part, 'state');
  const callId = findText(part, 'callID');
  const status = state?.status;
  if (!state || callId === undefined) return undefined;
  if (status !== 'pending' && status !== 'running' && status !== 'completed' && status !== 'error') return undefined;
  const time = findFields(state, 'time') ?? {};
  const [title, startedAt, endedAt] = [findText(state, 'title'), timeOf(time.start), timeOf(time.end)];
  // The output so far of a command that still runs.
  const output = state.output ?? (status === 'running' ? findFields(state, 'metadata')?.output : undefined);
  return {
    type: 'tool',
    callId,
    tool: findText(part, 'tool') ?? '',
    state: status,
    ...(title === undefined ? {} : { title }),
    ...(state.input === undefined ? {} : { input: state.input }),
    ...(output === undefined ? {} : { output }),
    ...(state.error === undefined ? {} : { error: state.error }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

/** Beside its output: a diff, an exit code, attached files. Shell commands hold their output twice. */
function restOfTool(state: Fields): Fields {
  const rest = without(state, ['status', 'input', 'output', 'error', 'title', 'time', 'raw']);
  const metadata = findFields(rest, 'metadata');
  if (metadata) rest.metadata = without(metadata, metadata.output === state.output ? ['output'] : []);
  return Object.keys(rest).length === 0 ? {} : { state: rest };
}

function fileOf(part: Fields): PartContent | undefined {
  const { mime, url } = part;
  if (typeof mime !== 'string' || typeof url !== 'string') return undefined;
  const filename = findText(part, 'filename');
  return { type: 'file', mime, ...(filename === undefined ? {} : { filename }), url };
}

function patchOf(part: Fields): PartContent | undefined {
  if (part.files === undefined) return undefined;
  const hash = findText(part, 'hash');
  return { type: 'patch', ...(hash === undefined ? {} : { hash }), files: part.files };
}

function stepFinishOf(part: Fields): PartContent {
  const reason = findText(part, 'reason');
  const usage = usageOf(part);
  return {
    type: 'step',
    phase: 'finish',
    ...(reason === undefined ? {} : { reason }),
    ...(usage === undefined ? {} : { usage }),
  };
}

function without(fields: Fields, names: string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
