#!/usr/bin/env bash
# Makes .cache/root/debian.ext4, the root file system with Mesa that the guests for 3D mount read-only.
#
# The packages and all that they depend on are unpacked, not installed: no maintainer script runs, so it takes neither
# root nor a chroot, and nothing in the image starts by itself. busybox is its shell and its tools.
#
# .cache/root/stamp is this script's checksum: the image is made again when the script, and so the list, has changed.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

packages=(
  libc6 libstdc++6 busybox-static
  libgl1-mesa-dri libegl-mesa0 libegl1 libgbm1 libgles2 # Mesa, and GLVND in front of it
  mesa-utils                                            # eglinfo
  kmscube libdrm-tests glmark2-es2-drm                  # modetest is in libdrm-tests
  libvirglrenderer1                                     # for a Fencepost in the guest
)
# What nothing in the guest reads.
unused=(doc man info locale lintian bug gcc gdb iso-codes bash-completion)

target="$cache/root"
stamp="$(sha256sum <"${BASH_SOURCE[0]}")"
if [ "$stamp" = "$(cat "$target/stamp" 2>/dev/null || true)" ]; then
  say "the guest's root file system is in .cache/root"
  exit 0
fi
require_debian
export PATH="$PATH:/usr/sbin:/sbin"
command -v mke2fs >/dev/null || fail "mke2fs is missing: install Debian's e2fsprogs"

rm -rf "$target"
root="$target/tree"

private_apt bookworm
mapfile -t all < <(dependencies bookworm "${packages[@]}")
[ "${#all[@]}" -gt 0 ] || fail "apt finds no way to install ${packages[*]}"
say "fetching and unpacking ${#all[@]} packages for the guest's root file system"
unpack_packages "$root" bookworm "${all[@]}"
rm -rf "$root/.packages" "$root/var/cache"
for directory in "${unused[@]}"; do rm -rf "$root/usr/share/$directory"; done

# As on every Debian 12; the packages still bring both halves.
for directory in bin sbin lib lib64; do
  mkdir -p "$root/$directory" "$root/usr/$directory"
  cp -a "$root/$directory/." "$root/usr/$directory"
  rm -rf "${root:?}/$directory"
  ln -s "usr/$directory" "$root/$directory"
done
mkdir -p "$root"/{dev,proc,sys,run,tmp,mnt,root,etc,lib/modules}

# Programs that packages have brought keep their names.
while read -r applet; do
  [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done < <("$root/usr/bin/busybox" --list)
# The kernel's name for it.
ln -sf ../bin/busybox "$root/usr/sbin/modprobe"
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

# A read-only file system needs no journal. 32 MB are left for metadata; holes take no room.
size_mb=$(($(du -sm "$root" | cut -f1) * 11 / 10 + 32))
say "making a file system of $size_mb MB"
truncate --size "${size_mb}M" "$target/debian.ext4"
mke2fs -q -t ext4 -O ^has_journal -m 0 -L fencepost -E root_owner=0:0 -d "$root" "$target/debian.ext4"
rm -rf "$root"
echo "$stamp" >"$target/stamp"
