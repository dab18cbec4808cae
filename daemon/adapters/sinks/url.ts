// Where a sink sends to, as it is given: told at once when it can be nothing.
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is wrong with the url of a sink, and what to give instead. */
export class SinkUrlError extends Error {}

/** The address of a sessiond, without a slash at its end; behind a proxy it may have a path. Throws SinkUrlError. */
export function hostUrlOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new SinkUrlError(`${url}: expected the address of a sessiond, as https://host:port`);
  }
  if (parsed.username || parsed.password) {
    throw new SinkUrlError('the url may hold no user and password: hand the token over by itself');
  }
  if (parsed.search || parsed.hash)
    throw new SinkUrlError('the url may have no ? and no #: only where the sessiond is');
  if (parsed.protocol === 'http:' && !isLoopback(parsed.hostname)) {
    const message = `http://${parsed.host} would carry the token and the record in the clear`;
    throw new SinkUrlError(`${message}: use https://, or a tunnel that ends at localhost (ssh -L)`);
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The path of a file that is given by itself or as file:///. Throws SinkUrlError. */
export function filePathOf(url: string): string {
  if (isAbsolute(url)) return url;
  try {
    if (url.startsWith('file://')) return fileURLToPath(url);
  } catch {}
  throw new SinkUrlError(`${url}: expected an absolute path, or file:///absolute/path`);
}
