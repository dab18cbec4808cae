// A VS Code extension: how many questions and permissions wait for you, in the status bar.
const vscode = require('vscode');
const { connect } = require('sessiond');

exports.activate = ({ subscriptions }) => {
  const client = connect();
  const view = client.view({}, { deltas: false });
  const item = vscode.window.createStatusBarItem();
  const show = () => {
    const waiting = [...view.sessions.values()]
      .flatMap(({ blockers }) => [...blockers.values()])
      .filter(({ state }) => state === 'pending');
    item.text = client.state.is === 'live' ? `$(bell) ${waiting.length}` : '$(debug-disconnect) sessiond';
    item.tooltip = waiting.map(({ id, kind }) => `${kind} ${id}`).join('\n');
    item.show();
  };
  view.onChange(show);
  client.onState(show);
  subscriptions.push(item, { dispose: () => client.close() });
};
