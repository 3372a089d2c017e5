#!/usr/bin/env bash
# Let Klaviyo's own client for Node, unchanged, talk to klaviyo-sim: what it takes for Klaviyo is one.
# Then let it send the data of every event type: its bodies and ours are equal.
# Usage: run.sh KLAVIYO_SIM EVENT_BODIES. Exit code 77, with the reason, where the client cannot be
# installed, or where Klaviyo's description of its API, which the bodies must fit, is not here.
set -euo pipefail
simulator=$(realpath "$1")
bodies=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
client=klaviyo-api@23.0.0
openapi=${POSTBOX_SHARED_DIR:-$here/../../../shared}/openapi/klaviyo-2026-07-15-subset.json

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
    --fetch-retries 0 --fetch-timeout 30000 "$client" ajv@8 ajv-formats@3 >npm.log 2>&1 || {
  cat npm.log >&2
  ! grep -q ETARGET npm.log || exit 1  # the registry answers, and has no such version
  skip "npm cannot install $client and ajv"
}

mkfifo listening
"$simulator" --port 0 --key pk_local --no-limits >listening &
sim_pid=$!
read -r line <listening
NODE_PATH="$work/node_modules" node "$here/client.cjs" "http://${line#listening on }"
"$bodies" >bodies.jsonl
NODE_PATH="$work/node_modules" node "$here/bodies.cjs" "$openapi" <bodies.jsonl
[ -f "$openapi" ] || skip "the bodies against $openapi, which is not here; all else went well"
