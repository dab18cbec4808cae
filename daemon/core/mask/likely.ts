// Whether a text is a secret, where only what stands before it says that it may be one.

const placeholders = [
  /^(?:\$\{?[A-Za-z_]\w*\}?|%\w+%)$/, // a variable of a shell
  /^(?:\$?[({]|<|\[\[)/, // a template
  /^[A-Za-z_$][\w.$]*\(.*\)[;,]?$/, // a call
  /^(?:your|my|example|sample|dummy|fake|placeholder|change[-_]?me|replace[-_]?me|redacted|insert)(?:[-_\s]|$)/i,
  /(?:[-_](?:here|placeholder)|EXAMPLE(?:KEY)?)$/,
  /^(?:process\.|os\.|env\.|import\.|this\.|self\.|config\.|https?:\/\/)/,
  /^(?:pass(?:word|wd)?|secret|token|username|user)\d{0,3}$/i,
];
const path = /^(?:~|\.{1,2})?(?:\/[\w.@-]+)+\/?$/;
/** Words that a `-`, `.` or the like holds together, as in `gpt-4-turbo` or `us-east-1`. */
const words = /^(?:[A-Za-z]+\d{0,2}|\d+)(?:[-_./:](?:[A-Za-z]+\d{0,2}|\d+))+$/;

/** So much of a text tells what it is; what is longer may begin at many places. */
const looked = 128;

/** In which round each letter was last seen. */
const seenIn = new Uint32Array(256);
let round = 0;

/** Whether it is of so many different letters. No Set of them: made for each of many values it took most of the time. */
function isOf(text: string, letters: number): boolean {
  round = (round + 1) >>> 0;
  let left = letters;
  for (let at = 0; at < text.length && left > 0; at += 1) {
    const letter = text.charCodeAt(at) & 255;
    if (seenIn[letter] !== round) left -= 1;
    seenIn[letter] = round;
  }
  return left === 0;
}

/** No run of a few letters, as in what stands for a token in an example. */
export function isVaried(text: string): boolean {
  return isOf(text.slice(-16), 5);
}

/** Letters and digits mixed as nobody writes them by hand. */
export function isRandom(text: string): boolean {
  if (text.length < 16 || !isOf(text, 8)) return false;
  return (text.match(/[A-Za-z](?=\d)|\d(?=[A-Za-z])/g) ?? []).length >= 3;
}

/**
 * What is given as a secret. `isPassword`: somebody may have thought it up. `isGiven`: it stands there as a value and cannot
 * be code that computes one.
 */
export function isLikelySecret(whole: string, isPassword: boolean, isGiven: boolean): boolean {
  const text = whole.slice(0, looked);
  if (text.length < 8) return false;
  const isMixed = isRandom(text);
  // Before what takes longer: most values are neither.
  if (!isMixed && (!isGiven || !isOf(text, 5))) return false;
  if (placeholders.some((each) => each.test(text))) return false;
  if (isMixed) return true;
  if (path.test(text) || !/[A-Za-z]/.test(text)) return false;
  return /[\d!@#$%^&*+=?~|]/.test(text) && (isPassword || !words.test(text));
}
