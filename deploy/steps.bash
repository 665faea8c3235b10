# Sourced by deploy/test and .ci/run, which have `set -e`: named steps, and how long each took.

step_name=""
step_began=0

# step NAME COMMAND…: no `||` around the command, so that `set -e` holds within it.
step() {
  step_name=$1
  step_began=$SECONDS
  shift
  printf '\n== %s\n' "$step_name"
  "$@"
  printf '== %s: %d s\n' "$step_name" $((SECONDS - step_began))
  step_name=""
}

# For `trap … EXIT`: says which step it was.
report_failed_step() {
  if [[ -n $step_name ]]; then
    printf '== %s: FAILED after %d s\n' "$step_name" $((SECONDS - step_began)) >&2
  fi
}

# configure PRESET: with warnings as errors, and with ccache where there is one.
configure() {
  local arguments=(--preset "$1" -DRELAYD_WERROR=ON)
  if command -v ccache >/dev/null; then
    # The tests' prelude is a precompiled header.
    arguments+=("-DCMAKE_CXX_COMPILER_LAUNCHER=env;CCACHE_SLOPPINESS=pch_defines,time_macros;ccache")
  fi
  cmake "${arguments[@]}"
}
