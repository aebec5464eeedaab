#!/usr/bin/env bash
# Builds the test guest: lab/guest/*.c as one static program, lab/guest/gl and lab/guest/vulkan as others, each of
# lab/guest/faults as one more, and an initramfs for every kernel in .cache/kernels, into .cache/guest/{6.1,6.12}.cpio; and for
# `bun bench --guest` what counts the pictures that QEMU is sent, console-observer.so. Builds again only what has changed.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

checkout="$(cd "$(dirname "$0")/.." && pwd)"
source_dir="$checkout/lab/guest"
observer="$checkout/lab/qemu/console-observer.c"
target="$cache/guest"
busybox="$(command -v busybox || true)"
[ -n "$busybox" ] || fail "busybox is missing: install Debian's busybox-static"
for tool in gcc cpio; do command -v "$tool" >/dev/null || fail "$tool is missing: install Debian's $tool"; done
command -v glslangValidator >/dev/null || fail "glslangValidator is missing: install Debian's glslang-tools"

# The stamp names all that goes in, so that an edited guest or a fresh kernel is noticed.
stamp_of() {
  (
    cd "$source_dir"
    sha256sum -- *.c *.h gl/*.[ch] vulkan/* faults/*.c init serve
    sha256sum <"$busybox"
    sha256sum <"$observer"
    cat "$cache/kernels/$1/stamp"
  )
}

build_programs() {
  say "compiling the guest program and what observes its console"
  gcc -std=gnu11 -O2 -static -Wall -Wextra -Werror -isystem /usr/include/libdrm -o "$target/fencepost-guest" "$source_dir"/*.c
  # For the root with Mesa only, so they are linked to its C library.
  local with_gl=(gcc -std=gnu11 -O2 -Wall -Wextra -Werror -isystem /usr/include/libdrm)
  "${with_gl[@]}" -o "$target/fencepost-gl" "$source_dir"/gl/*.c "$source_dir/clock.c" -ldl
  build_vulkan
  mkdir -p "$target/faults"
  for fault in "$source_dir"/faults/*.c; do
    "${with_gl[@]}" -o "$target/faults/$(basename "$fault" .c)" "$fault" "$source_dir"/gl/{api,context}.c -ldl
  done
  gcc -std=gnu11 -O2 -Wall -Wextra -Werror -shared -fPIC -o "$target/console-observer.so" "$observer" -ldl
}

# Runs on the host too, on the driver that the guest's results are compared with. Shaders become arrays of words, such as
# cube_vert of cube.vert.
build_vulkan() {
  local shader name
  mkdir -p "$target/shaders"
  for shader in "$source_dir"/vulkan/*.{comp,vert,frag}; do
    name="$(basename "$shader")"
    glslangValidator -V --quiet --vn "${name/./_}" -o "$target/shaders/$name.h" "$shader"
  done
  gcc -std=gnu11 -O2 -Wall -Wextra -Werror -isystem /usr/include/libdrm -I"$target/shaders" -o "$target/fencepost-vulkan" \
    "$source_dir"/vulkan/*.c "$source_dir"/{buffer,card,clock,screen}.c -lvulkan
}

build_initramfs() {
  local series="$1" root
  root="$(mktemp -d "$target/root.XXXXXX")"
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,run/fencepost,lib,tmp,root}
  cp "$busybox" "$root/bin/busybox"
  ln -s busybox "$root/bin/sh"
  ln -s ../bin/busybox "$root/sbin/modprobe"
  cp -r "$cache/kernels/$series/modules" "$root/run/fencepost/modules"
  ln -s /run/fencepost/modules "$root/lib/modules"
  install -m 755 "$target"/fencepost-{guest,gl,vulkan} "$target"/faults/* "$source_dir/serve" "$root/run/fencepost"
  install -m 755 "$source_dir/init" "$root/init"
  # Not compressed: under TCG unpacking costs more than reading.
  (cd "$root" && find . -print0 | sort -z | cpio --null --create --format=newc --owner=0:0 --quiet) >"$target/$series.cpio.new"
  mv "$target/$series.cpio.new" "$target/$series.cpio"
  rm -rf "$root"
}

mkdir -p "$target"
for directory in "$cache"/kernels/*/; do
  series="$(basename "$directory")"
  [ -e "$directory/stamp" ] || fail "the kernels are missing: run scripts/fetch-kernels.sh"
  stamp="$(stamp_of "$series")"
  if [ "$stamp" = "$(cat "$target/$series.stamp" 2>/dev/null || true)" ]; then
    say "the guest for $series is in .cache/guest"
    continue
  fi
  [ -n "${program_built:-}" ] || build_programs
  program_built=yes
  say "packing the guest for $series"
  build_initramfs "$series"
  printf '%s\n' "$stamp" >"$target/$series.stamp"
done
