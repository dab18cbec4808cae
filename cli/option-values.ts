// Values of options, read strictly: what is not one is wrong usage (2).
import { CliError, exitCodes } from './exit.ts';
import { cleanStart } from './render/clean.ts';

/** A reader for commander: whole numbers from 1. */
export function wholeNumber(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
    throw new CliError(exitCodes.usage, `${option} takes a whole number from 1, not "${cleanStart(text, 50)}"`);
  };
}
