#!/usr/bin/env bash
# Tells what waits for your answer, of all agents; what was asked while this did not run, when it starts. Needs socat.
waits='"id":"(blk_[^"]*)".*"request":(\{.*\}),"state":"pending"' place='"prev":"[^"]*","cursor":"([^"]*)"'
send() { printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":{"name":"shell",%s}}\n' "$@"; }
follow() {
  send events/subscribe '"snapshot":"never","maxBatch":1,"filter":{"types":["blocker/updated"]}'
  while IFS= read -r line; do
    if [[ $line =~ $waits ]]; then echo "${BASH_REMATCH[2]} (sessiond answer ${BASH_REMATCH[1]})" >&2; fi
    if [[ $line =~ $place ]]; then send events/ack "\"cursor\":\"${BASH_REMATCH[1]}\""; fi
    if [[ $line =~ '"error":{' ]]; then echo "$line" >&2; fi
  done
}
export waits place && export -f send follow
while sleep 1; do socat -lf /dev/null "UNIX:$(sessiond socket)" EXEC:'bash -c follow'; done
