#!/usr/bin/env bash
# Unpacks QEMU's own vhost-user-gpu into .cache/peer, for `bun bench` to compare with.
#
# .cache/peer/stamp names the version; remove it to fetch again.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

target="$cache/peer"
binary="$target/usr/lib/qemu/vhost-user-gpu"
# Without it, the peer renders only where there is a render node.
build_preload() {
  gcc -shared -fPIC -o "$target/surfaceless.so" "$(dirname "$0")/../bench/system/peer-surfaceless.c" -ldl
}

if [ -e "$target/stamp" ]; then
  build_preload
  say "$(cat "$target/stamp") is in .cache/peer"
  exit 0
fi
require_debian

suite="$(os_release VERSION_CODENAME)"
private_apt "$suite"
version="$(package_field qemu-system-gui "$suite" Version)"
say "fetching the vhost-user-gpu of QEMU $version from $suite"
rm -rf "$target"
unpack_packages "$target" "$suite" qemu-system-gui
rm -rf "$target/.packages" "$target/usr/share" "$target/usr/lib/x86_64-linux-gnu"

missing="$(ldd "$binary" | awk '/not found/ { print $1 }')"
[ -z "$missing" ] || fail "it needs libraries that are not installed: ${missing//$'\n'/ }
(Debian: libepoxy0 libgbm1 libglib2.0-0 libnuma1 libpixman-1-0 libvirglrenderer1)"
build_preload
echo "vhost-user-gpu of QEMU $version" >"$target/stamp"
