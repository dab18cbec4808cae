// What is judged of a request over TCP before anybody looks at its token: that it was meant for this server (DNS rebinding)
// and comes from no other page (PROTOCOL.md 10). RFC 9112, 3.2: of two Host lines, or one that names nothing, the answer is 400.
import type { IncomingMessage } from 'node:http';

export type Refused = { status: 400 | 403; message: string };

const foreign: Refused = { status: 403, message: 'pages of other origins are not served' };

type Request = Pick<IncomingMessage, 'rawHeaders' | 'url'>;

const hostShape = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i;

/** Why a request is refused; undefined when it is not. `hosts`: the names that it may be for, in lower case. */
export function refusalOf({ rawHeaders, url = '' }: Request, hosts: readonly string[]): Refused | undefined {
  const given = valuesOf(rawHeaders, 'host');
  if (given.length > 1) return { status: 400, message: 'more than one Host' };
  // The target's own host counts where it has one, and a Host that says something else is up to no good.
  const target = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  const [host = ''] = given;
  if (target !== undefined && target !== host) return { status: 400, message: 'Host is not that of the target' };
  const name = hostShape.exec(host)?.[1]?.toLowerCase();
  if (host !== '' && name === undefined) return { status: 400, message: 'Host is no name' };
  if (name === undefined || !hosts.includes(name)) {
    return { status: 403, message: `the host ${name ?? ''} is not served here: add it to [http] hosts` };
  }
  const origins = valuesOf(rawHeaders, 'origin');
  if (origins.some((origin) => !isOf(origin, host))) return foreign;
  // Of another port of this host: it sends no Origin with a GET that it cannot read, but its cookies do come.
  const sites = valuesOf(rawHeaders, 'sec-fetch-site');
  const isOwn = sites.every((site) => site === 'same-origin' || site === 'none');
  return isOwn ? undefined : foreign;
}

/** Whether a page of `origin` was loaded from `host`. The scheme is the page's: TLS may end at a proxy. */
function isOf(origin: string, host: string): boolean {
  const scheme = /^(https?):\/\//.exec(origin)?.[1];
  if (!scheme || !URL.canParse(origin)) return false;
  return new URL(origin).host === new URL(`${scheme}://${host}`).host;
}

function valuesOf(rawHeaders: string[], name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === name);
}
