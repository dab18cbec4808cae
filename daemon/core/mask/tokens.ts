// Secrets that are told by their own form: a prefix that whoever issued them gave them.
import { isVaried } from './likely.ts';
import type { Rule } from './rule.ts';
import { eachMatch } from './rule.ts';

/** What may stand before a token though it is a letter: an escape of JSON, of a URL, or of a terminal's colours. */
const escapes = String.raw`\\[bfnrtv]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|\[[0-9;]{0,12}m`;

/** `prefix` where a word begins: for prefixes that words hold too, and for what takes long to look at. */
function begin(prefix: string): string {
  return `${prefix}(?<=(?:(?<![A-Za-z0-9_-])|${escapes})${prefix})`;
}

const word = '[A-Za-z0-9_-]';
const alnum = '[A-Za-z0-9]';
/** Nothing of it goes on. */
const end = `(?!${alnum})`;

/** By the name of the rule. No group captures. What is repeated without an end stands last, or begins at the begin of a word. */
const forms: readonly (readonly [name: string, ...patterns: string[]])[] = [
  ['anthropic', `sk-ant-[a-z]{2,12}\\d\\d-${word}{20,}`, `${begin('sk-ant-')}${word}{20,}`],
  [
    'openai',
    `sk-(?:proj|svcacct|admin|None|or-v1|lf)-${word}{20,}`,
    `${begin('sk-')}(?=[A-Za-z]*\\d)${alnum}{32,}`,
    `${begin('sess-')}${alnum}{40}${end}`,
  ],
  ['github', `gh[pousr]_${alnum}{36,}`, 'github_pat_[A-Za-z0-9_]{36,}'],
  ['gitlab', `gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|oas)-[A-Za-z0-9_.-]{20,}`],
  [
    'slack',
    `xox[a-z](?:\\.xox[a-z])?-(?=[A-Za-z-]{0,20}\\d)[A-Za-z0-9-]{10,}`,
    `xapp-\\d-[A-Za-z0-9-]{20,}`,
    `hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{20,}`,
  ],
  [
    'aws',
    `(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}${end}`,
    `ABSK[A-Za-z0-9+/]{100,}={0,2}`,
    `X-Amz-Signature(?:=|%3[Dd])[0-9A-Fa-f]{32,}`,
    `X-Amz-Security-Token(?:=|%3[Dd])[A-Za-z0-9%+/=_-]{40,}`,
  ],
  ['google', `AIza${word}{35}`, `GOCSPX-${word}{20,}`, `ya29\\.${word}{20,}`, `${begin('1//0')}${word}{30,}`],
  ['stripe', `[sr]k_(?:live|test)_${alnum}{16,}`, `${begin('whsec_')}[A-Za-z0-9+/]{24,}={0,2}`],
  ['npm', `npm_${alnum}{36,}`],
  ['pypi', `pypi-${word}{50,}`],
  ['huggingface', `${begin('hf_')}${alnum}{30,}`, `api_org_${alnum}{30,}`],
  ['telegram', `${begin('\\d{8,10}:')}${word}{35}(?!${word})`],
  [
    'jwt',
    `${begin('eyJ')}${word}{8,}\\.eyJ${word}{8,}(?:\\.${word}*)?`,
    `${begin('eyJ')}${word}{8,}\\.${word}*(?:\\.${word}{8,}){3}`,
  ],
  ['sendgrid', `${begin('SG\\.')}${word}{16,}\\.${word}{16,}`],
  ['twilio', `${begin('SK')}[0-9a-f]{32}${end}`],
  ['azure', `[A-Za-z0-9_~.]{3}\\dQ~[A-Za-z0-9_~.-]{31,}`, `[?&]sig=[A-Za-z0-9%+/]{30,}={0,2}`],
  ['age', 'AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[0-9A-Z]{40,}'],
  ['sessiond', `cap_${word}{1,64}(?:\\.|%2[Ee])(?:\\d{1,15}(?:\\.|%2[Ee]))?${word}{43,}`],
  [
    'discord',
    `${begin('[MNO][A-Za-z0-9_-]{23,27}\\.')}${word}{6}\\.${word}{27,}`,
    `discord(?:app)?\\.com/api/webhooks/\\d+/${word}{40,}`,
  ],
  ['digitalocean', 'do[oprt]_v1_[0-9a-f]{64}'],
  ['vault', `${begin('hv[sbr]\\.')}${word}{24,}`],
  ['atlassian', `AT(?:ATT3|CTT3|BB)[A-Za-z0-9_=-]{20,}`],
  ['databricks', `${begin('dapi')}[0-9a-f]{32}${end}`],
  ['grafana', `gl(?:sa|c)_[A-Za-z0-9+/_]{30,}={0,2}`],
  ['sentry', `sntry[su]_[A-Za-z0-9+/=_]{30,}`],
  ['linear', `lin_(?:api|oauth)_${alnum}{30,}`],
  ['notion', `${begin('ntn_')}${alnum}{40,}`, `${begin('secret_')}${alnum}{43}${end}`],
  ['docker', `dckr_(?:pat|oat)_${word}{20,}`],
  [
    'cloud',
    `sbp_[0-9a-f]{40}`,
    `pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{30,}`,
    `dp\\.(?:pt|st|ct|sa|scim|audit)\\.[A-Za-z0-9_.-]{40,}`,
    `${begin('pul-')}[0-9a-f]{40}${end}`,
    `${begin('fo1_')}${word}{40,}`,
    `fm[12][ar]?_[A-Za-z0-9+/]{80,}={0,3}`,
    `HRKU-[A-Za-z0-9_-]{30,}`,
  ],
  [
    'model-provider',
    `gsk_${alnum}{40,}`,
    `pplx-${alnum}{40,}`,
    `xai-${alnum}{60,}`,
    `${begin('r8_')}${alnum}{37,}`,
    `tvly-[A-Za-z0-9_-]{20,}`,
    `${begin('sk_')}[0-9a-f]{48}${end}`,
    `${begin('fw_')}${alnum}{22,}`,
    `nvapi-${word}{60,}`,
  ],
  [
    'service',
    `NRAK-[A-Z0-9]{27}`,
    `PMAK-[0-9a-f]{24}-[0-9a-f]{34}`,
    `rubygems_[0-9a-f]{48}`,
    `figd_${word}{40}`,
    `${begin('key-')}[0-9a-f]{32}${end}`,
    `shp(?:at|ca|pa|ss)_[A-Za-z0-9]{32,}`,
    `sq0[a-z]{3}-${word}{22,}`,
  ],
];

/** All of them at once: one pass over a text instead of seventy. */
const pattern = new RegExp(forms.map(([, ...patterns]) => `(${patterns.join('|')})`).join('|'), 'g');

export const tokens: Rule = function* (text) {
  for (const match of eachMatch(pattern, text)) {
    if (!isVaried(match[0])) continue;
    const [rule] = forms[match.slice(1).findIndex((group) => group !== undefined)]!;
    yield { start: match.index, end: match.index + match[0].length, rule };
  }
};
