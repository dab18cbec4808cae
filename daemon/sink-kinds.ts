// The kinds of sinks by name, for the wiring: engine/ gets a Sink and never knows which.
import type { Clock } from './adapters/sinks/asker.ts';
import { capnwebSink } from './adapters/sinks/capnweb.ts';
import { FileSink } from './adapters/sinks/file.ts';
import { httpSink } from './adapters/sinks/http.ts';
import { filePathOf, hostUrlOf } from './adapters/sinks/url.ts';
import type { MakeSink } from './engine/dispatch.ts';

export function sinkMaker(clock: Clock): MakeSink {
  return (kind, url, token) => {
    if (kind === 'file') return new FileSink(filePathOf(url));
    const host = { url: hostUrlOf(url), token: token ?? noToken(url), clock };
    return kind === 'http' ? httpSink(host) : capnwebSink(host);
  };
}

function noToken(url: string): never {
  throw new Error(`${url} asks for a token: have one made there, by \`sessiond grant\``);
}
