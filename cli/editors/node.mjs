// Prints what waits for an answer, of all agents, from when it began to wait; goes on over restarts of the daemon.
import { connect } from 'sessiond';

const client = connect();
const view = client.view({}, { deltas: false });
const shown = new Set();
view.onChange(() => {
  for (const { session, blockers } of view.sessions.values()) {
    for (const { id, state, kind, request } of blockers.values()) {
      if (state !== 'pending' || shown.has(id)) continue;
      shown.add(id);
      console.log(`${session.title}: ${kind} ${id} ${JSON.stringify(request)}`);
    }
  }
});
client.onState(({ is }) => console.error(`sessiond: ${is}`));
