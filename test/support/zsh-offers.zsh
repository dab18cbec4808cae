# What zsh offers when TAB is pressed: zsh-offers.zsh SCRIPT LINE... A real shell in a terminal of its own; compadd, which
# every completion ends in, tells what it was given. Prints `[LINE]`, then one offer a line.
zmodload zsh/zpty
setup=$(mktemp)
trap 'rm -f $setup' EXIT
cat >$setup <<'SETUP'
autoload -Uz compinit
compinit -u -D
source $1
setopt no_beep
compadd() {
  # With these it fills arrays and offers nothing.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return $?; fi
  local -a offered
  builtin compadd -O offered "$@"
  (( $#offered )) && print -rl -- "" "offer:"${^offered}
  builtin compadd "$@"
}
offered-all() { print -rl -- "" "offered all"; BUFFER= }
zle -N offered-all
bindkey '^I' complete-word
bindkey '^X' offered-all
SETUP
zpty shell zsh -f -i
zpty -w shell "source $setup $1; print rea''dy"
while zpty -r shell line; do [[ $line == ready* ]] && break; done
shift
for typed in "$@"; do
  print -r -- "[$typed]"
  zpty -n -w shell "$typed"$'\t\x18'
  while zpty -r shell line; do
    line=${line%%$'\r'*}
    [[ $line == "offered all" ]] && break
    [[ $line == offer:* ]] && print -r -- "${line#offer:}"
  done
done
zpty -d shell
