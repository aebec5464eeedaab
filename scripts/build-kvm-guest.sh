#!/usr/bin/env bash
# Builds the program that `bun run demo --kvm` and the tests of lab/kvm run on a CPU of its own: lab/kvm/guest/, as one flat
# image, into .cache/kvm/guest.bin. Builds again only what has changed.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

source_dir="$(dirname "$cache")/lab/kvm/guest"
target="$cache/kvm"
for tool in gcc objcopy; do command -v "$tool" >/dev/null || fail "$tool is missing: install Debian's gcc"; done

stamp="$(cd "$source_dir" && sha256sum -- *.c *.h *.S *.ld)"
if [ -e "$target/guest.bin" ] && [ "$stamp" = "$(cat "$target/stamp" 2>/dev/null || true)" ]; then
  say "the program for KVM is in .cache/kvm"
  exit 0
fi
say "compiling the program for KVM"
mkdir -p "$target"
flags=(
  # No library, and no instruction that KVM may have to emulate and cannot.
  -m32 -march=i686 -mgeneral-regs-only -ffreestanding -nostdlib
  -static -no-pie -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables
  "-Wl,-T,$source_dir/link.ld,--build-id=none,--no-warn-rwx-segments"
)
# Made beside its place and moved there, for whoever runs it meanwhile.
built="$(mktemp -d "$target/build.XXXXXX")"
trap 'rm -rf "$built"' EXIT
gcc -std=gnu11 -O2 -Wall -Wextra -Werror "${flags[@]}" -o "$built/guest.elf" "$source_dir"/*.S "$source_dir"/*.c
objcopy -O binary "$built/guest.elf" "$built/guest.bin"
mv "$built/guest.bin" "$target/guest.bin"
printf '%s\n' "$stamp" >"$target/stamp"
