#!/usr/bin/env bash
# Three quartet nodes (persistent, every acknowledgement after fsync on a majority) beside Debian's mosquitto
# (persistence on, TCP_NODELAY as we have it), on this machine, in turns in one run: QoS 0, 1 and 2 with 4 and 64
# publishers.
#
#   benches/beside-mosquitto.sh [SECONDS]      seconds for each measurement, 5 if not given
#
# Prints one line for each case: messages a second of both, their ratio, and CPU microseconds a message (of all
# three nodes together). Take it from a quiet machine: brokers and load share its cores.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-5}
target=${CARGO_TARGET_DIR:-$HOME/.cache/quartet/target}
quartet=${QUARTET_BIN:-$target/release/quartet}
load=${QUARTET_LOAD_BIN:-$target/release/quartet-load}
mosquitto=$(command -v mosquitto || echo /usr/sbin/mosquitto)
for program in "$quartet" "$load" "$mosquitto"; do
  [ -x "$program" ] || { echo "$program is missing: cargo build --release, and apt-get install mosquitto" >&2; exit 1; }
done

directory=$(mktemp -d "${TMPDIR:-/tmp}/quartet-bench-XXXXXX")
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$directory"
}
trap finish EXIT

# A loopback address of our own: no port on it is anybody else's.
host=127.$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2))
seeds="\"node-1=$host:2884\", \"node-2=$host:2885\", \"node-3=$host:2886\""
nodes=()
addresses=
for node in 1 2 3; do
  mkdir "$directory/node-$node"
  cat >"$directory/node-$node/quartet.toml" <<TOML
[node]
name = "node-$node"
data_dir = "data"
[[listener]]
address = "$host:$((1883 + node))"
[cluster]
address = "$host:$((2883 + node))"
seeds = [$seeds]
TOML
  "$quartet" server --config "$directory/node-$node/quartet.toml" >"$directory/node-$node/log" 2>&1 &
  pids+=($!)
  nodes+=($!)
  addresses+=${addresses:+,}$host:$((1883 + node))
done
"$quartet" cluster wait --dir "$directory" --timeout 60s >/dev/null

mkdir "$directory/mosquitto"
chmod 777 "$directory" "$directory/mosquitto" # mosquitto gives up root
cat >"$directory/mosquitto/mosquitto.conf" <<CONF
listener 1983 $host
allow_anonymous true
persistence true
persistence_location $directory/mosquitto/
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
CONF
"$mosquitto" -c "$directory/mosquitto/mosquitto.conf" >"$directory/mosquitto/log" 2>&1 &
mosquitto_pid=$!
pids+=("$mosquitto_pid")

field() { # KEY of a line of JSON
  sed -E "s/.*\"$1\":([0-9.eE+-]+).*/\1/"
}
measure() { # ADDRESSES PIDS QOS PUBLISHERS
  "$load" --address "$1" --pids "$2" --qos "$3" --publishers "$4" --window 100 --seconds "$seconds" --json
}

echo "$(nproc) cores, load average $(cut -d' ' -f1 /proc/loadavg), $seconds s a case, window 100, 64 bytes, pairs"
printf '%-6s %10s | %12s %12s %7s | %12s %12s\n' "" "" "quartet/s" "mosquitto/s" "ratio" "quartet µs" "mosquitto µs"
for qos in 0 1 2; do
  for publishers in 4 64; do
    ours=$(measure "$addresses" "$(IFS=,; echo "${nodes[*]}")" "$qos" "$publishers")
    theirs=$(measure "$host:1983" "$mosquitto_pid" "$qos" "$publishers")
    awk -v qos="$qos" -v publishers="$publishers" \
      -v a="$(field delivered_per_second <<<"$ours")" -v b="$(field delivered_per_second <<<"$theirs")" \
      -v c="$(field cpu_microseconds_per_message <<<"$ours")" -v d="$(field cpu_microseconds_per_message <<<"$theirs")" \
      -v missing="$(field missing <<<"$ours")" -v repeated="$(field repeated <<<"$ours")" \
      'BEGIN { printf "QoS %-2d %3d pairs | %12.0f %12.0f %7.2f | %12.1f %12.1f", qos, publishers, a, b, a / b, c, d
               if (missing + repeated > 0) printf "  (quartet: %d missing, %d repeated)", missing, repeated
               printf "\n" }'
  done
done
