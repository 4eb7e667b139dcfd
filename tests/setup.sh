#!/usr/bin/env bash
# Makes a Python environment with the paho client in DIR, if it is not there yet, and prints its interpreter.
#   tests/setup.sh DIR
set -euo pipefail

directory=${1:?usage: tests/setup.sh DIR}
python=$directory/bin/python3
version=2.1.0 # the release the tests were written against; any 2.x has the same calls

if ! "$python" -c 'import paho.mqtt.client' 2>/dev/null; then
  # Two tests may come here at once: the one that finds the lock taken waits for the other.
  mkdir -p "$(dirname "$directory")"
  exec 9>"$directory.lock"
  flock 9
  if ! "$python" -c 'import paho.mqtt.client' 2>/dev/null; then
    python3 -m venv "$directory" >&2
    "$directory/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$version" >&2
  fi
fi
echo "$python"
