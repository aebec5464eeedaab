#!/usr/bin/env bash
# Runs a command in a copy of this checkout inside a Debian 13 root, as root; without one, all tests.
#
#   scripts/debian-13.sh [COMMAND [ARGUMENT…]]
#
# Debian 13 has virglrenderer 1.1, Mesa 25 and Weston 14, of which Debian 12 has 0.10, 22 and 10. The root is made with
# debootstrap in .cache/debian-13, from the mirror that this system uses, and set up there by setup.sh; it is made again
# when setup.sh's list of packages has changed. bun is this system's. Whatever the command starts ends
# with it: it runs in process and mount namespaces of its own.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

checkout="$(cd "$(dirname "$0")/.." && pwd)"
target="$cache/debian-13"
root="$target/root"
release=trixie

[ "$(id -u)" = 0 ] || fail "needs root: debootstrap and chroot do"
require_debian
bun="$(readlink -f "$(command -v bun)")" || fail "bun is not on PATH"
mapfile -t packages < <("$checkout/setup.sh" --packages)
[ "${#packages[@]}" -gt 0 ] || fail "setup.sh names no packages"

# inside COMMAND…: in the root's copy of the checkout, with devices and a /proc of its own. The kernel takes the mounts
# back with the namespace, and ends what was started when this shell ends, however it does.
inside() {
  unshare --mount --propagation private --pid --fork --kill-child -- \
    bash -euc '
      root="$1" bun="$2"
      shift 2
      mount --rbind /dev "$root/dev"
      mount -t tmpfs tmpfs "$root/dev/shm"
      mount -t proc proc "$root/proc"
      mount --rbind /sys "$root/sys"
      mount -t tmpfs tmpfs "$root/tmp"
      mount --bind "$bun" "$root/usr/local/bin/bun"
      # This shell stays, to ask for the exit codes of orphans.
      chroot "$root" env --chdir=/fencepost \
        HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" || exit "$?"
    ' inside "$root" "$bun" "$@"
}

make_root() {
  rm -rf "$target"
  mkdir -p "$target"
  # Only a script and its data: taken as it is, it need not be installed.
  private_apt "$(os_release VERSION_CODENAME)"
  unpack_packages "$target/debootstrap" "$(os_release VERSION_CODENAME)" debootstrap
  say "making a Debian 13 root in ${root#"$checkout/"}"
  DEBOOTSTRAP_DIR="$target/debootstrap/usr/share/debootstrap" \
    "$target/debootstrap/usr/sbin/debootstrap" --variant=minbase "$release" "$root" "$(mirror_uri)" \
    >"$target/debootstrap.log" || fail "debootstrap failed: see ${target#"$checkout/"}/debootstrap.log"
  # Names and trust are this system's, which may stand behind a proxy.
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  mkdir -p "$root/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
  : >"$root/usr/local/bin/bun"
  chmod +x "$root/usr/local/bin/bun"
}

# Nothing of an older copy stays but what was installed beside it.
copy_checkout() {
  mkdir -p "$root/fencepost"
  find "$root/fencepost" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .cache -exec rm -rf {} +
  git -C "$checkout" ls-files --cached --others --exclude-standard -z |
    (cd "$checkout" && while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done) |
    tar -C "$checkout" --null --files-from=- -c | tar -C "$root/fencepost" -x
}

stamp="$release ${packages[*]}"
if [ "$stamp" != "$(cat "$target/stamp" 2>/dev/null || true)" ]; then
  make_root
  copy_checkout
  inside apt-get -qq update
  inside env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends --yes \
    git procps "${packages[@]}" >"$target/packages.log" 2>&1 || fail "no packages: see ${target#"$checkout/"}/packages.log"
  inside ./setup.sh --no-guests
  rm -rf "$root"/var/cache/apt/archives/*.deb
  echo "$stamp" >"$target/stamp"
fi
copy_checkout
inside bun install --frozen-lockfile >/dev/null
[ "$#" -gt 0 ] || set -- bun test
inside "$@"
