// What a line of Qwen Code says of its session: where it runs, whose fork or child it is, and its title.
import type { Transcript } from '../../adapter.ts';
import type { Facts } from '../../kit/facts.ts';
import { type Fields, findFields, findText } from '../../kit/json.ts';
import { keyIn } from '../../kit/session-key.ts';
import type { TitleRank } from '../../kit/title.ts';

export const agent = 'qwen';

export function factsOf({ path, sessionKey }: Transcript, line: Fields): Facts {
  const metadata: Fields = {};
  for (const [name, member] of Object.entries({ cliVersion: 'version', gitBranch: 'gitBranch' })) {
    const value = findText(line, member);
    if (value !== undefined && value.length <= 200) metadata[name] = value;
  }
  const payload = findFields(line, 'systemPayload') ?? {};
  const parent = line.subtype === 'parent_session' ? findText(payload, 'parentSessionId') : undefined;
  const origin = findText(findFields(line, 'forkedFrom') ?? {}, 'sessionId');
  const project = /([^/\\]+)[/\\]chats[/\\][^\n]*$/.exec(path)?.[1] ?? '';
  const parentKey = (parent ?? origin) && keyIn(project, (parent ?? origin) as string);
  return {
    directory: findText(line, 'cwd'),
    parentKey: parentKey === sessionKey ? undefined : parentKey,
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
}

/** The title that a system line gives: of the user's, of the model's, or a slash command that was typed. */
export function findTitle(line: Fields): [rank: TitleRank, title: string] | undefined {
  const payload = findFields(line, 'systemPayload');
  if (line.type !== 'system' || payload === undefined) return undefined;
  const title = findText(payload, 'customTitle');
  if (line.subtype === 'custom_title' && title) return [payload.titleSource === 'auto' ? 'ai' : 'custom', title];
  const command = findText(payload, 'rawCommand');
  return line.subtype === 'slash_command' && command ? ['command', command] : undefined;
}
