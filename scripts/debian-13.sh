#!/usr/bin/env bash
# Runs a command in a copy of this checkout inside a Debian 13 root, as root; without one, all tests.
#
#   scripts/debian-13.sh [COMMAND [ARGUMENT…]]
#
# Debian 13 has virglrenderer 1.1, Mesa 25, Weston 14 and QEMU 10, of which Debian 12 has 0.10, 22, 10 and 7. The root is
# made once, with debootstrap in .cache/debian-13 from the mirror that this system uses, and set up by setup.sh each time;
# bun is this system's. Whatever the command starts ends with it: it runs in process and mount namespaces of its own.
set -euo pipefail
takes_arguments=yes
. "$(dirname "$0")/lib/debian.sh"

checkout="$(cd "$(dirname "$0")/.." && pwd)"
target="$cache/debian-13"
root="$target/root"
release=trixie
# Whom this system trusts: a file of its own, since ca-certificates, once it is set up in the root, writes the usual one anew.
trust=/etc/ssl/certs/of-the-host.crt

[ "$(id -u)" = 0 ] || fail "needs root: debootstrap and chroot do"
require_debian
bun="$(readlink -f "$(command -v bun)")" || fail "bun is not on PATH"

# inside COMMAND…: in the root's copy of the checkout, with devices and a /proc of its own. The kernel takes the mounts
# back with the namespace, and ends what was started when this shell ends, however it does.
inside() {
  unshare --mount --propagation private --pid --fork --kill-child -- \
    bash -euc '
      root="$1" bun="$2" trust="$3"
      shift 3
      mount --rbind /dev "$root/dev"
      mount -t tmpfs tmpfs "$root/dev/shm"
      mount -t proc proc "$root/proc"
      mount --rbind /sys "$root/sys"
      mount -t tmpfs tmpfs "$root/tmp"
      mount --bind "$bun" "$root/usr/local/bin/bun"
      # This shell stays, to ask for the exit codes of orphans.
      chroot "$root" env --chdir=/fencepost \
        HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        SSL_CERT_FILE=$trust PIP_CERT=$trust REQUESTS_CA_BUNDLE=$trust CURL_CA_BUNDLE=$trust \
        NODE_EXTRA_CA_CERTS=$trust "$@" || exit "$?"
    ' inside "$root" "$bun" "$trust" "$@"
}

make_root() {
  rm -rf "$target"
  mkdir -p "$target"
  say "making a Debian 13 root in ${root#"$checkout/"}"
  bootstrap "$release" "$root" "$target/debootstrap" >"$target/debootstrap.log" ||
    fail "debootstrap failed: see ${target#"$checkout/"}/debootstrap.log"
  # Names and trust are this system's, which may stand behind a proxy.
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  mkdir -p "$root/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$root/$trust" 2>/dev/null || true
  : >"$root/usr/local/bin/bun"
  chmod +x "$root/usr/local/bin/bun"
  # The test guests are Debian 12's there too; what is made of them already need not be fetched again.
  mkdir -p "$root/fencepost/.cache"
  for part in kernels root; do
    [ ! -e "$cache/$part" ] || cp -a "$cache/$part" "$root/fencepost/.cache/"
  done
  touch "$target/stamp"
}

# Nothing of an older copy stays but what was installed beside it.
copy_checkout() {
  find "$root/fencepost" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .cache -exec rm -rf {} +
  git -C "$checkout" ls-files --cached --others --exclude-standard -z |
    (cd "$checkout" && while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done) |
    tar -C "$checkout" --null --files-from=- -c | tar -C "$root/fencepost" -x
}

# One at a time: there is one copy of the checkout.
mkdir -p "$cache"
exec 9>"$cache/debian-13.lock"
flock 9
[ -e "$target/stamp" ] || make_root
copy_checkout
inside ./setup.sh >"$target/setup.log" 2>&1 || fail "setup.sh failed in it: see ${target#"$checkout/"}/setup.log"
[ "$#" -gt 0 ] || set -- bun test
inside "$@"
