// A session in a few words, for a line that says what was done to it.
import { cleanLine, cleanStart } from './clean.ts';

/** `ses_4kZq…  Fix the login`; the id alone where nobody may know the title. */
export function sessionName({ id, title }: { id: string; title?: string | null }): string {
  if (title === undefined) return cleanLine(id);
  return `${cleanLine(id)}  ${cleanStart(title ?? '', 200) || '(no title)'}`;
}
