// Text for html: in an element or in a quoted attribute, where it can end neither.
import { visible } from './visible.ts';

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Any text, visible and escaped. */
export function escaped(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A link when the url is one that a click may follow; else only the words. `html`: the words, escaped. */
export function link(url: string, html: string): string {
  if (!/^(?:https?|mailto):/i.test(url)) return html;
  return `<a href="${escaped(url)}" rel="noopener noreferrer nofollow">${html}</a>`;
}
