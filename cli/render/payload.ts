// The input and output of a tool, which have any shape, as text. Not clean.

/** The input whole: a member on each line, texts as they are. */
export function inputText(input: unknown): string {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return outputText(input);
  return Object.entries(input)
    .map(([key, value]) => {
      const text = outputText(value);
      return text.includes('\n') ? `${key}:\n${text}` : `${key}: ${text}`;
    })
    .join('\n');
}

/** An output or error as text: a string, the texts of a list of blocks, or else JSON. */
export function outputText(output: unknown): string {
  if (output === undefined || output === null) return '';
  if (typeof output === 'string') return output;
  if (Array.isArray(output)) {
    const texts = output.map((block) => (block as { text?: unknown } | null)?.text);
    if (texts.length > 0 && texts.every((text) => typeof text === 'string')) return texts.join('\n');
  }
  return JSON.stringify(output, null, 2);
}
