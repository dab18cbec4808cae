// What `import … from 'sessiond'` gives in Node.
export * from '../exports.ts';
export { connect } from './connect.ts';
export { fileIntents } from './file-intents.ts';
export { defaultSocket, PathError } from './paths.ts';
export { connectSocket } from './socket.ts';
