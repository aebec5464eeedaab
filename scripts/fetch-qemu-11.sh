#!/usr/bin/env bash
# Unpacks QEMU 11.1 with all that it loads into .cache/qemu-11: the first QEMU with the generic vhost-user device and its
# shared memory. It is built for Debian 13, so its own C library and loader come along (lab/qemu/cache.ts starts it by these).
#
# .cache/qemu-11/stamp names the version; remove it to fetch again.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

target="$cache/qemu-11"
if [ -e "$target/stamp" ]; then
  say "$(cat "$target/stamp") is in .cache/qemu-11"
  exit 0
fi
require_debian

suite=trixie-backports
# Of the tools that these packages are set up with.
not_loaded="adduser|base-passwd|debconf|login.defs|passwd|libpam.*|libsemanage.*|ipxe-qemu"
libraries=usr/lib/x86_64-linux-gnu
private_apt trixie "$suite"
version="$(package_field qemu-system-x86 "$suite" Version)"
upstream="${version#*:}"
[[ "$upstream" = 11.* ]] || fail "$suite has QEMU $version; 11.1 is needed"
mapfile -t all < <(dependencies "$suite" qemu-system-x86 | grep -vxE "$not_loaded")
[ "${#all[@]}" -gt 0 ] || fail "apt finds no way to install qemu-system-x86"

say "fetching QEMU $version and what it loads, ${#all[@]} packages, from $suite"
rm -rf "$target"
unpack_packages "$target/all" "$suite" "${all[@]}"
# Of all this a guest needs the program, its libraries and modules, and the firmware.
mkdir -p "$target/usr/bin" "$target/usr/share" "$target/$(dirname "$libraries")"
mv "$target/all/usr/bin/qemu-system-x86_64" "$target/usr/bin/"
mv "$target/all/usr/share/qemu" "$target/all/usr/share/seabios" "$target/usr/share/"
mv "$target/all/$libraries" "$target/$libraries"
rm -rf "$target/all"
"$target/$libraries/ld-linux-x86-64.so.2" --library-path "$target/$libraries" "$target/usr/bin/qemu-system-x86_64" \
  --version >/dev/null || fail "QEMU $version does not start from .cache/qemu-11"
echo "QEMU $version" >"$target/stamp"
