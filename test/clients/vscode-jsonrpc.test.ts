// VS Code's own JSON-RPC library, with its Content-Length framing.
import { it } from 'vitest';
import { foreign, playForeign } from './foreign.ts';

it('[P30] vscode-jsonrpc 10 over a socket with Content-Length is cut off, resumes from its cursor and sees all', async () => {
  await playForeign('vscode-jsonrpc', [process.execPath, foreign('vscode-jsonrpc.mjs')]);
});
