// A session in a few words, for a line that says what was done to it.
import type { Session } from '../../protocol/schema.ts';
import { cleanLine, cleanStart } from './clean.ts';

/** `ses_4kZq…  Fix the login` */
export function sessionName({ id, title }: Pick<Session, 'id' | 'title'>): string {
  return `${cleanLine(id)}  ${cleanStart(title ?? '', 200) || '(no title)'}`;
}
