// What `import … from 'sessiond'` gives in a browser.
export { connect } from './connect.ts';
export * from './exports.ts';
export { indexedDbIntents } from './intents-indexed-db.ts';
