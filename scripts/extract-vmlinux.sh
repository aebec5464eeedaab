#!/usr/bin/env bash
# extract-vmlinux.sh VMLINUZ VMLINUX: writes the ELF kernel that a bzImage carries.
#
# Booted through its PVH entry it saves the guest the decompression, which under TCG is half of the boot.
# The header's fields are those of the kernel's Documentation/arch/x86/boot.rst.
set -euo pipefail

if [ "$#" != 2 ]; then
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
  [ "${1:-}" = --help ] && exit 0
  exit 2
fi
image="$1" kernel="$2"
field() { od -An -v "-tu$2" -j "$1" -N "$2" "$image" | tr -d ' '; }

[ "$(od -An -c -j 514 -N 4 "$image" | tr -d ' ')" = HdrS ] || { echo "$image is no bzImage" >&2; exit 1; }
setup_sectors="$(field 497 1)"
payload_offset=$(((${setup_sectors} + 1) * 512 + $(field 584 4)))
payload_length="$(field 588 4)"

payload() { tail -c "+$((payload_offset + 1))" "$image" | head -c "$1" || true; }

# Every format but gzip is followed by the unpacked size in four bytes, which its own tool would take for garbage.
case "$(payload 6 | od -An -tx1 | tr -d ' ')" in
  1f8b*) payload "$payload_length" | gzip -dc ;;
  fd377a585a00) payload $((payload_length - 4)) | xz -dc ;;
  28b52ffd*) payload $((payload_length - 4)) | zstd -dcq ;;
  425a68*) payload $((payload_length - 4)) | bzip2 -dc ;;
  5d0000*) payload $((payload_length - 4)) | xz --format=lzma -dc ;;
  02214c18*) payload $((payload_length - 4)) | lz4 -dc ;;
  *) echo "$image: the payload's compression is unknown" >&2; exit 1 ;;
esac >"$kernel"

[ "$(head -c 4 "$kernel" | od -An -tx1 | tr -d ' ')" = 7f454c46 ] || { echo "$kernel is no ELF file" >&2; exit 1; }
