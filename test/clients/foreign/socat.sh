#!/usr/bin/env bash
# A client of sessiond in bash and socat, one JSON value a line: see ../foreign.ts for what it does.
#
# It parses no JSON. It stands on how sessiond writes its messages: without blanks, `method` before `params`, `prev` and `cursor`
# before any text. Inside of a text a quote has a backslash before it, so that no text looks like a member.
path=$1 name=$2
# Bytes: what comes in the midst of a character, or is no character of the locale, goes through as it is.
export LC_ALL=C
# A write to a socat that is gone fails, and does not end the shell.
trap '' PIPE

session='"sessionId":"ses_'$name'"' message='"messageId":"msg_'$name'"'
part='{"type":"text","text":"from '$name': 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301"}'
ops='{"opId":"'$name'-0","type":"session/create","params":{'$session',"title":"'$name' 𝄞"}},
  {"opId":"'$name'-1","type":"message/put","params":{'$session','$message',"role":"user"}},
  {"opId":"'$name'-2","type":"part/put","params":{'$session','$message',"partId":"prt_'$name'","part":'$part'}}'
ops=${ops//$'\n'/}
batch='{"jsonrpc":"2.0","method":"events/batch","params":'
cursor='' appended=''

# call METHOD PARAMS: `line` is the reply. Before the subscription nothing else comes.
call() {
  printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' "$1" "$2" >&"$out" || return
  IFS= read -r line <&"$in" || return
  [[ $line != *'"error":'* ]] || { echo "$1: $line" >&2; exit 1; }
}

# member NAME: prints the first member of this name at the beginning of `line`.
member() {
  [[ ${line:0:400} =~ \"$1\":\"([^\"]*)\" ]] && echo "${BASH_REMATCH[1]}"
}

# follow: until the connection ends. A line that is torn then is not read as one.
follow() {
  call initialize '{"protocolVersion":1,"client":{"name":"'"$name"'","version":"1"}}' || return
  echo '{"connected":true}'
  if [[ ! $appended ]]; then
    call ops/append "{\"ops\":[$ops]}" || return
    [[ $line = *'"rejected":[]'* ]] || { echo "rejected: $line" >&2; exit 1; }
    appended=$(member cursor)
    printf '{"appended":"%s"}\n' "$appended"
  fi
  local from=${cursor:-start} prev
  call events/subscribe '{"from":"'"$from"'"'"${cursor:+,\"snapshot\":\"never\"}"'}' || return
  printf '{"subscribed":"%s","from":"%s"}\n' "$(member mode)" "$from"
  cursor=$(member cursor)
  while IFS= read -r line <&"$in"; do
    case ${line:0:100} in
      *'"method":"events/batch"'* | *'"method":"events/caughtUp"'* | *'"method":"events/bookmark"'*) ;;
      *) continue ;;
    esac
    prev=$(member prev)
    [[ $prev = "$cursor" ]] || printf '{"gap":["%s","%s"]}\n' "$prev" "$cursor"
    # The line without its beginning and its last brace are the params.
    if [[ $line = "$batch"* ]]; then printf '{"batch":%s}\n' "${line:${#batch}:-1}"; fi
    cursor=$(member cursor)
  done
}

while :; do
  coproc DAEMON { exec socat -t 0 - "UNIX-CONNECT:$path" 2>/dev/null; }
  pid=$!
  # bash closes the coprocess's own descriptors as soon as it has ended, with what was not read yet.
  if { exec {in}<&"${DAEMON[0]}" {out}>&"${DAEMON[1]}"; } 2>/dev/null; then
    follow
    exec {in}<&- {out}>&-
  fi
  wait "$pid" 2>/dev/null
  sleep 0.05
done
