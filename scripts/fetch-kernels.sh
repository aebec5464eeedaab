#!/usr/bin/env bash
# Unpacks Debian's kernels 6.1 and 6.12 into .cache/kernels/{6.1,6.12}: vmlinuz, vmlinux (ELF), and below
# modules/RELEASE/ the modules that the test guests load, with modules.dep for modprobe.
#
# .cache/kernels/*/stamp names the version and the modules; remove it to fetch again.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

modules=(
  virtio_pci virtio-gpu
  virtio_blk ext4 crc32c_generic # the root file system with Mesa; ext4 asks for its checksum by name
  9p 9pnet_virtio                # what the host hands in
  vgem                           # a second DRM device
)
declare -A suites=([6.1]=bookworm [6.12]=bookworm-backports)

missing=()
for series in 6.1 6.12; do
  stamp="$cache/kernels/$series/stamp"
  if [ "$(sed -n 2p "$stamp" 2>/dev/null || true)" = "${modules[*]}" ]; then
    say "$(head -n 1 "$stamp") is in .cache/kernels/$series"
  else
    missing+=("$series")
  fi
done
[ "${#missing[@]}" -gt 0 ] || exit 0
require_debian
busybox="$(command -v busybox || true)"
[ -n "$busybox" ] || fail "busybox is missing: install Debian's busybox-static"

# A module's name in `depends=` and its file's name may differ in - and _.
module_file() {
  find "$1" -path '*/lib/modules/*' -name "$(sed 's/[-_]/[-_]/g' <<<"$2").ko*" -print -quit
}

built_in() {
  local list
  list="$(find "$1" -name modules.builtin -print -quit)"
  grep -q "/$(sed 's/[-_]/[-_]/g' <<<"$2")\.ko\$" "$list"
}

unpack_module() {
  case "$1" in
    *.ko) cat "$1" ;;
    *.ko.xz) xz -dc "$1" ;;
    *.ko.zst) zstd -dcq "$1" ;;
    *) fail "$1: this compression is unknown" ;;
  esac
}

# collect_module ROOT TARGET NAME: a module and all that it depends on. Packages carry no modules.dep, so the names
# come from the modules themselves.
collect_module() {
  local root="$1" target="$2" name="${3//-/_}" file needed
  [ ! -e "$target/$name.ko" ] || return 0
  file="$(module_file "$root" "$3")"
  if [ -z "$file" ]; then
    built_in "$root" "$3" || fail "this kernel has no module $3"
    return 0
  fi
  unpack_module "$file" >"$target/$name.ko"
  for needed in $(tr '\0' '\n' <"$target/$name.ko" | sed -n 's/^depends=//p' | head -n 1 | tr ',' ' '); do
    collect_module "$root" "$target" "$needed"
  done
}

# index_modules MODULES RELEASE: writes modules.dep and modules.alias. depmod wants them below lib/modules.
index_modules() {
  local base
  base="$(mktemp -d)"
  mkdir "$base/lib"
  ln -s "$1" "$base/lib/modules"
  "$busybox" depmod -b "$base" "$2"
  rm -rf "$base"
}

private_apt bookworm bookworm-backports
for series in "${missing[@]}"; do
  suite="${suites[$series]}"
  target="$cache/kernels/$series"
  image="$(package_field linux-image-amd64 "$suite" Depends | grep -o 'linux-image-[^ ,]*' | head -n 1)"
  version="$(package_field linux-image-amd64 "$suite" Version)"
  [[ "$version" = "$series".* ]] || fail "$suite has Linux $version, not $series"

  say "fetching $image from $suite"
  rm -rf "$target"
  unpack_packages "$target/root" "$suite" "$image"
  cp "$target/root/boot/vmlinuz-"* "$target/vmlinuz"
  "$(dirname "$0")/extract-vmlinux.sh" "$target/vmlinuz" "$target/vmlinux"
  release="${image#linux-image-}"
  mkdir -p "$target/modules/$release"
  for module in "${modules[@]}"; do collect_module "$target/root" "$target/modules/$release" "$module"; done
  cp "$target/root/lib/modules/$release/modules.builtin" "$target/modules/$release/"
  rm -rf "$target/root"
  index_modules "$target/modules" "$release"
  printf '%s\n' "Linux $version" "${modules[*]}" >"$target/stamp"
done
