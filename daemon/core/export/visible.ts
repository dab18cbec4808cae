// Text that others wrote, made harmless for whoever reads an export: nothing in it is obeyed by a terminal, and nothing
// reorders or hides what stands beside it.

/** Colours and cursor moves (CSI), titles and links (OSC): whole, since only what they did to a terminal is lost. */
const sequences = /\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/g;

/** What is left of the control characters; the bidirectional embeddings, overrides and isolates; the invisible tags. */
const unseen = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/gu;

/** Well-formed text without terminal sequences, its lines ended by \n, other unseen characters written out as ⟨U+202E⟩. */
export function visible(text: string): string {
  return text
    .toWellFormed()
    .replace(sequences, '')
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(unseen, (character) => `⟨U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`);
}
