#!/usr/bin/env bash
# Let Klaviyo's own client for Node, unchanged, talk to klaviyo-sim: what it takes for Klaviyo is one.
# Usage: run.sh KLAVIYO_SIM. Exit code 77, with the reason, where the client cannot be installed.
set -euo pipefail
simulator=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
client=klaviyo-api@23.0.0

skip() {
  echo "SKIPPED, NOT TESTED: $*" >&2
  exit 77
}
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"

work=$(mktemp -d)
sim_pid=
trap '[ -z "$sim_pid" ] || kill "$sim_pid"; rm -rf "$work"' EXIT
cd "$work"

npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --prefer-offline \
    --fetch-retries 0 --fetch-timeout 30000 "$client" >npm.log 2>&1 || {
  cat npm.log >&2
  ! grep -q ETARGET npm.log || exit 1  # the registry answers, and has no such version
  skip "npm cannot install $client"
}

mkfifo listening
"$simulator" --port 0 --key pk_local --no-limits >listening &
sim_pid=$!
read -r line <listening
NODE_PATH="$work/node_modules" node "$here/client.cjs" "http://${line#listening on }"
