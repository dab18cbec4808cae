// The kinds of sinks by name, for the wiring: engine/ gets a Sink and never knows which.
import type { Clock } from './adapters/sinks/asker.ts';
import { capnwebSink } from './adapters/sinks/capnweb.ts';
import { FileSink } from './adapters/sinks/file.ts';
import { folderAround, foreignReason } from './adapters/sinks/file-kind.ts';
import { httpSink } from './adapters/sinks/http.ts';
import { filePathOf, hostUrlOf, SinkUrlError } from './adapters/sinks/url.ts';
import type { MakeSink } from './engine/dispatch.ts';

/** `ownFolders`: the daemon's, into which no sink writes. */
export function sinkMaker(clock: Clock, ownFolders: readonly string[] = []): MakeSink {
  return (kind, url, token) => {
    if (kind === 'file') return new FileSink(checked(filePathOf(url), ownFolders));
    const host = { url: hostUrlOf(url), token: token ?? noToken(url), clock };
    return kind === 'http' ? httpSink(host) : capnwebSink(host);
  };
}

/** Throws SinkUrlError for what a file sink must not write to: told when it is added, and not by the first batch. */
function checked(path: string, ownFolders: readonly string[]): string {
  const around = folderAround(path, ownFolders);
  if (around !== undefined) {
    throw new SinkUrlError(`${path} is in a folder of this daemon's own, ${around}: give the sink a path elsewhere`);
  }
  const reason = foreignReason(path);
  if (reason !== undefined) throw new SinkUrlError(reason);
  return path;
}

function noToken(url: string): never {
  throw new Error(`${url} asks for a token: have one made there, by \`sessiond grant\``);
}
