#!/usr/bin/env bash
# Installs what building (`build`) or testing (`tests`) Quartet needs on Debian or Ubuntu, if it is missing:
#   build   g++ and libclang (RocksDB and its bindings). No protoc: the protos are compiled in pure Rust.
#   tests   also mosquitto's clients and broker, and Python with venv for the paho client.
# Does nothing, and asks for no rights, when all of it is there.
set -euo pipefail

what=${1:-build}
packages=()
need() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' || packages+=("$1"); }

command -v cargo >/dev/null || {
  echo "quartet: no Rust toolchain found: install Rust 1.95 or newer (rustup), then run this again" >&2
  exit 1
}
if command -v dpkg-query >/dev/null; then
  need g++
  need libclang-dev
  if [ "$what" = tests ]; then
    for package in mosquitto mosquitto-clients python3-venv; do need "$package"; done
  fi
elif [ "$what" = build ]; then
  command -v c++ >/dev/null || { echo "quartet: a C++ compiler and libclang are needed to build RocksDB" >&2; exit 1; }
fi

if [ ${#packages[@]} -gt 0 ]; then
  echo "installing: ${packages[*]}"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
      echo "quartet: these Debian packages are missing: ${packages[*]}; install them as root, then run this again" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  # Debian starts a broker it installs, on the port that `make run` wants. The tests start their own.
  case " ${packages[*]} " in
    *" mosquitto "*) "${as_root[@]}" systemctl disable --now mosquitto >/dev/null 2>&1 || true ;;
  esac
fi
