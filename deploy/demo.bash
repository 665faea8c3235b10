# Sourced by deploy/demo and deploy/funnel-demo, which have `set -euo pipefail`: what they start is ended with them.

demo_dir=$(mktemp -d)
demo_pids=()
demo_finish() {
  local status=$?
  trap - EXIT
  ((${#demo_pids[@]} == 0)) || kill "${demo_pids[@]}" 2>/dev/null || true
  for pid in "${demo_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  ((status == 0)) || { echo "demo: failed; the logs:" >&2; tail -n 5 "$demo_dir"/*.log >&2 || true; }
  rm -rf "$demo_dir"
  exit "$status"
}
trap demo_finish EXIT
trap 'exit 130' INT TERM

# start NAME COMMAND…: in the background, its output in NAME.log.
start() {
  local log="$demo_dir/$1.log"
  shift
  "$@" >"$log" 2>&1 &
  demo_pids+=($!)
}

# await SECONDS WHAT COMMAND…: runs COMMAND until it succeeds.
await() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "demo: $what did not happen" >&2; exit 1; }
    sleep 0.05
  done
}

show() { echo; echo "\$ $*"; }
