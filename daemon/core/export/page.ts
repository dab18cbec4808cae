// The frame of an html export: one file that loads nothing and runs nothing. Its policy allows the one style by its hash and
// images that are in the file, so that even markup which came in unescaped could not act.
import { escaped } from './escape.ts';

export const style = `
:root{color-scheme:light dark;--page:#fbfaf8;--text:#1f2328;--quiet:#656d76;--line:#dcdfe3;--box:#f1f2f4;--user:#eaf1fb;
--mark:#2563c9;--bad:#b42318;--link:#1d56b8}
@media(prefers-color-scheme:dark){:root{--page:#15181c;--text:#dfe3e8;--quiet:#949ca6;--line:#323840;--box:#1e2329;
--user:#1b2838;--mark:#6ea3f5;--bad:#ff8f84;--link:#82b1ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:54rem;background:var(--page);color:var(--text);
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.65rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.25rem;margin:3rem 0 1rem}
h3,h4,h5,h6{font-size:1.02rem;line-height:1.35;margin:1.2rem 0 .4rem}
p{margin:.6rem 0;white-space:pre-wrap}
a{color:var(--link)}
hr{border:0;border-top:1px solid var(--line);margin:1.2rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.1rem;margin:0 0 1rem;font-size:.9rem}
dt{color:var(--quiet)}
dd{margin:0;white-space:pre-wrap}
article{padding:.9rem 0 .5rem;border-top:1px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 12rem}
header{margin-bottom:2rem}
article.user{background:var(--user);border:0;border-radius:.6rem;padding:.8rem 1.1rem .5rem;margin:1rem -1.1rem}
article.user+article{border-top:0}
.who{display:flex;flex-wrap:wrap;gap:0 .7rem;align-items:baseline;font-size:.85rem;font-weight:400;color:var(--quiet);
margin:0 0 .3rem}
.who b{color:var(--mark);font-weight:650}
.who a{color:inherit;text-decoration:none;margin-left:auto}
.who a:hover{text-decoration:underline}
.li{white-space:pre-wrap;margin:.15rem 0;padding-inline-start:1.4rem;text-indent:-1.1rem}
.d1{margin-inline-start:1.3rem}.d2{margin-inline-start:2.6rem}.d3{margin-inline-start:3.9rem}.d4{margin-inline-start:5.2rem}
code,pre{font:.84rem/1.5 ui-monospace,SFMono-Regular,"Cascadia Mono",Menlo,Consolas,monospace}
code{background:var(--box);border-radius:.25rem;padding:.08rem .3rem;overflow-wrap:anywhere}
pre{background:var(--box);border-radius:.4rem;margin:.5rem 0;padding:.65rem .8rem;max-height:28rem;overflow:auto;
white-space:pre-wrap;tab-size:4}
.wide{overflow-x:auto;margin:.7rem 0}
table{border-collapse:collapse;font-size:.92rem}
th,td{border:1px solid var(--line);padding:.25rem .6rem;text-align:start;vertical-align:top}
th{background:var(--box)}
details{margin:.45rem 0;border:1px solid var(--line);border-radius:.4rem;padding:0 .8rem;font-size:.92rem}
summary{cursor:pointer;padding:.3rem 0;color:var(--quiet)}
summary b{color:var(--text);font-weight:600}
details[open]{padding-bottom:.3rem}
details[open]>summary{border-bottom:1px solid var(--line);margin-bottom:.5rem}
.label{margin:.5rem 0 0;font-size:.8rem;color:var(--quiet)}
.bad,.bad b{color:var(--bad)}
img{display:block;max-width:100%;max-height:32rem;border:1px solid var(--line);border-radius:.4rem}
.file{font-size:.92rem;margin:.5rem 0}
@media print{:root{color-scheme:light}body{max-width:none;padding:0;font-size:11pt}pre{max-height:none}
article{content-visibility:visible}details::details-content{content-visibility:visible;block-size:auto}
h1,h2,h3,.who,summary{break-after:avoid}.who a{color:inherit}}
`;

/** Of `style`, since nothing here can compute it; a test does. */
export const styleHash = 'sha256-JGvFnXTYjNtL9RHSQ2IV+7dPnJxP0LQXxtPDY+jSU7E=';

const policy = [
  "default-src 'none'",
  `style-src '${styleHash}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** All before the first block; `title`: any text. */
export function pageStart(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
`;
}

export const pageEnd = `</body>
</html>
`;
