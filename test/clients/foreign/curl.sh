#!/usr/bin/env bash
# A client of sessiond in bash and curl, over HTTP and Server-Sent Events: see ../foreign.ts for what it does.
#
# A request is a connection there: initialize says only that this daemon speaks version 1. It parses no JSON, and stands on
# `prev` and `cursor` being before any text in the data of an event, as sessiond writes them.
path=$1 name=$2
# Bytes: what comes in the midst of a character, or is no character of the locale, goes through as it is.
export LC_ALL=C

session='"sessionId":"ses_'$name'"' message='"messageId":"msg_'$name'"'
part='{"type":"text","text":"from '$name': 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301"}'
ops='{"opId":"'$name'-0","type":"session/create","params":{'$session',"title":"'$name' 𝄞"}},
  {"opId":"'$name'-1","type":"message/put","params":{'$session','$message',"role":"user"}},
  {"opId":"'$name'-2","type":"part/put","params":{'$session','$message',"partId":"prt_'$name'","part":'$part'}}'
cursor='' appended=''

# ask METHOD PARAMS: `data` is the reply.
ask() {
  data=$(curl -sS --unix-socket "$path" -A "$name" http://localhost/rpc \
    -d '{"jsonrpc":"2.0","id":1,"method":"'"$1"'","params":'"$2"'}' 2>/dev/null) || return
  [[ $data != *'"error":'* ]] || { echo "$1: $data" >&2; exit 1; }
}

# member NAME: prints the first member of this name at the beginning of `data`.
member() {
  [[ ${data:0:400} =~ \"$1\":\"([^\"]*)\" ]] && echo "${BASH_REMATCH[1]}"
}

# take EVENT: what to do with an event that came whole.
take() {
  case $1 in
    subscribed) printf '{"subscribed":"%s","from":"%s"}\n' "$(member mode)" "${cursor:-start}" ;;
    batch | caughtUp | bookmark)
      local prev
      prev=$(member prev)
      [[ $prev = "$cursor" ]] || printf '{"gap":["%s","%s"]}\n' "$prev" "$cursor"
      if [[ $1 = batch ]]; then printf '{"batch":%s}\n' "$data"; fi
      ;;
  esac
}

# follow: until the stream ends. An event counts when the blank line behind it has come.
follow() {
  ask initialize '{"protocolVersion":1,"client":{"name":"'"$name"'","version":"1"}}' || return
  echo '{"connected":true}'
  if [[ ! $appended ]]; then
    ask ops/append "{\"ops\":[$ops]}" || return
    [[ $data = *'"rejected":[]'* ]] || { echo "rejected: $data" >&2; exit 1; }
    appended=$(member cursor)
    printf '{"appended":"%s"}\n' "$appended"
  fi
  local line id='' event='' data=''
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line:4} ;;
      'event: '*) event=${line:7} ;;
      'data: '*) data=${line:6} ;;
      '')
        take "$event"
        [[ ! $id ]] || cursor=$id
        id='' event='' data=''
        ;;
    esac
  done < <(exec curl -sSN --fail --unix-socket "$path" ${cursor:+-H "Last-Event-ID: $cursor"} \
    'http://localhost/events?from=start&snapshot=never' 2>/dev/null)
  wait $!
  # 22: a refusal, such as 410 for a cursor that cannot be resumed.
  [[ $? -ne 22 ]] || { echo "refused: $cursor" >&2; exit 1; }
}

while :; do
  follow
  sleep 0.05
done
