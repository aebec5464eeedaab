#!/usr/bin/env bash
# Builds the Debian package, installs it in clean Debian roots, uses it there and removes it again.
#
#   scripts/test-package.sh [RELEASE…]
#
# RELEASE is bookworm (12) or trixie (13); both without one. Roots are made once, with debootstrap in .cache/clean; what is
# installed lies above them in memory, and they stay as they are. Needs root.
set -euo pipefail
takes_arguments=yes
. "$(dirname "$0")/lib/debian.sh"

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || fail "needs root: debootstrap and chroot do"
require_debian
[ "$#" -gt 0 ] || set -- bookworm trixie

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
bun scripts/package.ts --output "$work"
package="$(echo "$work"/fencepost_*.deb)"

# clean_root RELEASE: as debootstrap leaves it, and without what apt would fetch again.
clean_root() {
  local release="$1" root="$cache/clean/$1"
  [ ! -e "$root.stamp" ] || return 0
  say "making a root of $release in .cache/clean"
  rm -rf "$root"
  mkdir -p "$root"
  bootstrap "$release" "$root" "$cache/clean/debootstrap" >"$root.log" 2>&1 || fail "debootstrap failed: see $root.log"
  touch "$root.stamp"
}

# It needs no network in there: all that the package depends on is in any root.
# What is done in the root; it ends at the first thing that is not as it should be.
cat >"$work/inside" <<'EOF_INSIDE'
set -euo pipefail
cd /root
say() { printf '  %s\n' "$*"; }
# Without what dpkg and apt write down of any package, and what programs write to.
files() { find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /root -o -path /tmp -o -path /work \) -prune -o -print | LC_ALL=C sort; }

files >before
apt-get -qq install --no-install-recommends --yes /work/package.deb >apt.log 2>&1 || { cat apt.log; exit 1; }
say "installed: $(fencepost --version)"
dpkg --verify fencepost
cd /
"$(sed -n 's/.*"binary": "\(.*\)".*/\1/p' /usr/share/qemu/vhost-user/40-fencepost.json)" --print-capabilities | grep -q '"type": "gpu"'
fencepost --help | grep -q '^Usage: fencepost'
for page in fencepost fencepost-serve fencepost-ctl; do test -s "/usr/share/man/man1/$page.1.gz"; done
bash -c 'source /usr/share/bash-completion/completions/fencepost; COMP_WORDS=(fencepost ctl scr); COMP_CWORD=2; _fencepost; test "${COMPREPLY[*]}" = screenshot'
cd /root
fencepost demo --seconds 1 --output picture.png --record demo.rec | sed 's/^/  /'
test "$(head -c 4 picture.png | tail -c 3)" = PNG
fencepost replay demo.rec --compare | sed 's/^/  /'

fencepost --socket-path /tmp/gpu.sock >server.log 2>&1 &
server=$!
for _ in $(seq 600); do grep -q 'listens on' server.log && break; kill -0 "$server"; sleep 0.1; done
fencepost ctl --control-path /tmp/gpu.sock.ctl status | grep -q '"device": "listening"'
fencepost ctl --control-path /tmp/gpu.sock.ctl shutdown
wait "$server"
grep -q 'libvirglrenderer1' server.log
say "without the recommended packages it says which are missing"

apt-get -qq purge --yes fencepost >apt.log 2>&1 || { cat apt.log; exit 1; }
files >after
left="$(LC_ALL=C comm -13 before after)"
[ -z "$left" ] || { printf 'left behind:\n%s\n' "$left"; exit 1; }
say "removed, and nothing is left"
EOF_INSIDE

for release in "$@"; do
  case "$release" in bookworm | trixie) ;; *) fail "there is no release $release, only bookworm and trixie: see --help" ;; esac
  exec 9>"$cache/clean-$release.lock"
  flock 9
  clean_root "$release"
  say "$release"
  unshare --mount --propagation private --pid --fork --kill-child -- bash -euc '
    root="$1" work="$2" package="$3"
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/scratch /mnt/root
    mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/scratch" /mnt/root
    mkdir /mnt/root/work
    cp "$package" /mnt/root/work/package.deb
    cp "$work/inside" /mnt/root/work/inside
    mount --rbind /dev /mnt/root/dev
    mount -t proc proc /mnt/root/proc
    mount -t tmpfs tmpfs /mnt/root/tmp
    # This shell stays, to ask for the exit codes of orphans.
    chroot /mnt/root env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash /work/inside || exit "$?"
  ' inside "$cache/clean/$release" "$work" "$package" || fail "$release: not as it should be"
done
