#!/usr/bin/env bash
# Makes the root file systems that guests mount read-only: .cache/root/debian.ext4 with Debian 12's Mesa, for GL, and
# .cache/root/vulkan.ext4 with that of its backports, the first to have Vulkan's venus driver.
#
# The packages and all that they depend on are unpacked, not installed: no maintainer script runs, so it takes neither
# root nor a chroot, and nothing in an image starts by itself. busybox is its shell and its tools.
#
# .cache/root/*.stamp is what an image was made from: it is made again when the script, and so a list, has changed.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

base=(libc6 libstdc++6 busybox-static)
declare -A suites=([debian]=bookworm [vulkan]=bookworm-backports)
declare -A packages=(
  # Mesa with GLVND in front of it; eglinfo is in mesa-utils, modetest in libdrm-tests; a Fencepost in the guest
  [debian]="libgl1-mesa-dri libegl-mesa0 libegl1 libgbm1 libgles2 mesa-utils kmscube libdrm-tests glmark2-es2-drm
    libvirglrenderer1"
  # vulkaninfo is in vulkan-tools; Weston is the guest's desktop
  [vulkan]="mesa-vulkan-drivers libvulkan1 vulkan-tools libgl1-mesa-dri libegl-mesa0 libegl1 libgbm1 libgles2 weston"
)
# What Weston's packages name for films, sound, remote desktops and Debian's own tools: a third of the image, which nothing
# in the guest loads.
codecs='libav|libx26|libaom|libdav1d|librav1e|libsvtav|libcodec2|libvpx|libxvid|libjxl|libmfx|libsw|ocl-icd|librsvg2|libgdk|libzvbi'
sound='libasound|libflac|libmp3|libmpg123|libopus|libvorbis|libtheora|libgsm|libspeex|libtwolame|libshine|libwebrtc|liblilv|libmysofa|libfftw3'
remote='libfreerdp|libwinpr|libgstreamer|libpipewire|libspa|libkrb5|libk5|libssl'
tools='perl|libperl|dpkg|debconf|iso-codes|sysvinit-utils|tar|usrmerge|shared-mime|libgdbm|libdb5|init-system|lsb-base|libfile-find|libnumber|libtext-glob|fontconfig$|libcap2-bin'
declare -A without=([debian]='^$' [vulkan]="^($codecs|$sound|$remote|$tools)")
# What nothing in the guest reads.
unused=(doc man info locale lintian bug gcc gdb iso-codes bash-completion)

target="$cache/root"
stamp="$(sha256sum <"${BASH_SOURCE[0]}")"
missing=()
for image in debian vulkan; do
  if [ "$stamp" = "$(cat "$target/$image.stamp" 2>/dev/null || true)" ]; then
    say "the guests' root file system $image is in .cache/root"
  else
    missing+=("$image")
  fi
done
[ "${#missing[@]}" -gt 0 ] || exit 0
require_debian
export PATH="$PATH:/usr/sbin:/sbin"
command -v mke2fs >/dev/null || fail "mke2fs is missing: install Debian's e2fsprogs"

# unpack_root SUITE ROOT WITHOUT PACKAGE...
unpack_root() {
  local suite="$1" root="$2" without="$3" all directory applet
  shift 3
  mapfile -t all < <(dependencies "$suite" "$@" | grep -vE "$without")
  [ "${#all[@]}" -gt 0 ] || fail "apt finds no way to install $*"
  say "fetching and unpacking ${#all[@]} packages of $suite for a guest's root file system"
  unpack_packages "$root" "$suite" "${all[@]}"
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
}

# make_image ROOT FILE: what used FILE so far keeps the old one.
make_image() {
  local size_mb
  # A read-only file system needs no journal. 32 MB are left for metadata; holes take no room.
  size_mb=$(($(du -sm "$1" | cut -f1) * 11 / 10 + 32))
  say "making a file system of $size_mb MB"
  rm -f "$2.new"
  truncate --size "${size_mb}M" "$2.new"
  mke2fs -q -t ext4 -O ^has_journal -m 0 -L fencepost -E root_owner=0:0 -d "$1" "$2.new"
  mv "$2.new" "$2"
}

private_apt bookworm bookworm-backports
mkdir -p "$target"
for image in "${missing[@]}"; do
  root="$target/$image.tree"
  rm -rf "$root"
  # shellcheck disable=SC2086
  unpack_root "${suites[$image]}" "$root" "${without[$image]}" "${base[@]}" ${packages[$image]}
  make_image "$root" "$target/$image.ext4"
  rm -rf "$root"
  echo "$stamp" >"$target/$image.stamp"
done
rm -f "$target/stamp"
