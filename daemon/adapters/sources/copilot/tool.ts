// A tool call as Copilot tells it: asked for in an answer, started, completed.
import { type Fields, findFields, findText } from '../../kit/json.ts';
import { restOf } from '../../kit/rest.ts';
import type { ToolContent } from '../../kit/tools.ts';

type Call = { content: ToolContent; rest: Fields | undefined };

/** Of an answer's request, or of the start of one that no answer asked for. */
export function callOf(event: Fields, tool: string, callId: string, startedAt: number | undefined): Call {
  const named = findText(event, 'intentionSummary') === undefined ? 'toolTitle' : 'intentionSummary';
  const title = findText(event, named);
  const content: ToolContent = {
    type: 'tool',
    callId,
    tool,
    state: 'running',
    ...(title === undefined ? {} : { title }),
    ...(event.arguments === undefined ? {} : { input: event.arguments }),
    ...(startedAt === undefined ? {} : { startedAt }),
  };
  const taken = ['toolCallId', 'name', 'toolName', 'arguments'];
  return { content, rest: restOf(event, title === undefined ? taken : [...taken, named]) };
}

/** What the start of a known call adds to it: its arguments only when a hook has changed them. */
export function restOfStart(start: Fields, call: ToolContent): Fields | undefined {
  const isSame = JSON.stringify(start.arguments) === JSON.stringify(call.input);
  return restOf(start, ['toolCallId', 'toolName', ...(isSame ? ['arguments'] : [])]);
}

/** The whole tool part, with its result. */
export function completedOf(call: ToolContent, complete: Fields, endedAt: number | undefined): ToolContent {
  const output = findFields(complete, 'result')?.content;
  const { error } = complete;
  return {
    type: 'tool',
    callId: call.callId,
    tool: call.tool,
    state: complete.success === true && !hasFailed(complete) ? 'completed' : 'error',
    ...(call.title === undefined ? {} : { title: call.title }),
    ...(call.input === undefined ? {} : { input: call.input }),
    ...(output === undefined ? {} : { output }),
    ...(error == null ? {} : { error }),
    ...(call.startedAt === undefined ? {} : { startedAt: call.startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
  };
}

/** Whether the command of a shell tool ended with an error: the tool itself did its work all the same. */
function hasFailed(complete: Fields): boolean {
  const exitCode = findFields(complete, 'shellExecution')?.exitCode;
  return typeof exitCode === 'number' && exitCode !== 0;
}

/** What of a completion its part does not hold. */
export function restOfCompletion(complete: Fields): Fields | undefined {
  const result = findFields(complete, 'result');
  const others = result && restOf(result, ['content']);
  const rest = restOf(complete, ['toolCallId', 'success', 'error', ...(result ? ['result'] : [])]);
  return others ? { ...rest, result: others } : rest;
}
