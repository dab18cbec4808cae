// Secrets that stand in headers of HTTP, in URLs and in commands that send them.
import { isLikelySecret, isRandom } from './likely.ts';
import type { Found, Rule } from './rule.ts';
import { eachMatch, patternRule } from './rule.ts';

const bearer = patternRule(
  'bearer',
  /\b(?:bearer|token)(?:[ \t+]|%20){1,4}([A-Za-z0-9._~+/-]{16,}={0,2})/gi,
  (secret) => isRandom(secret),
);

const basic = patternRule(
  'basic-auth',
  /(?<![a-z])basic(?:[ \t+]|%20){1,4}((?:[A-Za-z0-9+/_-]|%2[BF]){8,}(?:=|%3D){0,2})/gi,
  (secret) => {
    const text = Buffer.from(decodeURIComponent(secret), 'base64').toString();
    return /^[\x20-\x7e\u00a0-\uffff]+$/.test(text) && !text.includes('\ufffd') && /^[^:]*:./.test(text);
  },
);

const cookies = patternRule(
  'cookie',
  /\bcookie\\{0,16}["']?[ \t]{0,4}:[ \t]{0,4}\\{0,16}["']?([\w.-]{1,80}=[^\r\n"'\\]{8,})/gi,
  (secret) => secret.split(/[;=]/).some((each) => isRandom(each.trim())),
);

/** What stands for a password in an example. */
const isGiven = (secret: string) =>
  !/^(?:\$|\{|<|%\w+%$|\*+$|x+$|\.+$|pass(?:word|wd)?$|pw$|secret$|token$)/i.test(secret);

/** `user:password@` of any URL. */
const urlPasswords = patternRule(
  'url-password',
  /:\/\/[^\s:@/"'`<>\\]{0,256}:((?:[^\s"'`<>/\\@]|@(?=[^\s"'`<>/\\@]{0,256}@))+)(?=@[\w.[$-])/g,
  isGiven,
);

/** A token in place of the user. */
const urlTokens = patternRule('url-token', /:\/\/([A-Za-z0-9_-]{20,256})(?=(?::x-oauth-basic)?@)/g, isRandom);

/** `curl -u user:password`, and the like. */
const users = patternRule(
  'url-password',
  /(?<![\w-])(?:-u|--user|--proxy-user|-U)[ \t=]{0,4}["']?[\w.@-]{1,64}:([^\s"'\\]{6,})/g,
  (secret) => isGiven(secret) && !secret.startsWith('//') && isLikelySecret(secret, true, true),
);

/** `mysql -pPASSWORD`, without a space, and what sshpass is given. */
const clients = patternRule(
  'url-password',
  /\b(?:(?:mysql|mariadb)(?:-?(?:dump|admin|import))?(?=[ \t])[^\r\n|;&]{0,200}?[ \t]-p|sshpass[ \t]{1,4}-p[ \t]{0,4})["']?([^\s"'\\]{6,})/g,
  (secret) => isGiven(secret) && isLikelySecret(secret, true, true),
);

const netrc = patternRule(
  'url-password',
  /\blogin(?:\s|\\n){1,8}\S{1,128}?(?:\s|\\n){1,8}password(?:\s|\\n){1,8}([^\s"'\\]{4,})/g,
  isGiven,
);

const accessKeyId = /(?:AKIA|ASIA)[A-Z0-9]{16}/g;
const accessKey = /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/g;
/** How far from its id the secret key of AWS may stand. */
const maxAway = 400;

const awsKeys: Rule = function* (text): Iterable<Found> {
  const ids = Array.from(eachMatch(accessKeyId, text), ({ index }) => index);
  if (ids.length === 0) return;
  let at = 0;
  for (const { index } of eachMatch(accessKey, text)) {
    while (at < ids.length && ids[at]! < index - maxAway) at += 1;
    const isNear = at < ids.length && ids[at]! <= index + maxAway;
    if (isNear && isRandom(text.slice(index, index + 40))) yield { start: index, end: index + 40, rule: 'aws' };
  }
};

export const headers: readonly Rule[] = [
  bearer,
  basic,
  cookies,
  urlPasswords,
  urlTokens,
  users,
  clients,
  netrc,
  awsKeys,
];
