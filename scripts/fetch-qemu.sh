#!/usr/bin/env bash
# Unpacks QEMU 10 into .cache/qemu, beside whatever QEMU the system has.
#
# .cache/qemu/stamp names the version; remove it to fetch again. .cache/qemu/depends lists the Debian packages
# whose libraries this QEMU loads: setup.sh installs those that are missing.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

target="$cache/qemu"
if [ -e "$target/stamp" ]; then
  say "$(cat "$target/stamp") is in .cache/qemu"
  exit 0
fi
require_debian

# Debian 12 has QEMU 7.2, which refuses vhost-user-gpu without hardware KVM; from Debian 13 on its own suite will do.
suites=("$(os_release VERSION_CODENAME)")
[ "${suites[0]}" != bookworm ] || suites+=(bookworm-backports)
suite="${suites[-1]}"
private_apt "${suites[@]}"

version="$(package_field qemu-system-x86 "$suite" Version)"
upstream="${version#*:}"
[ "${upstream%%.*}" -ge 10 ] || fail "$suite has QEMU $version; QEMU 10 or later is needed"

say "fetching QEMU $version from $suite"
rm -rf "$target"
unpack_packages "$target" "$suite" qemu-system-x86 qemu-system-common qemu-system-data \
  qemu-system-modules-opengl seabios

for package in qemu-system-x86 qemu-system-modules-opengl; do
  dpkg -f "$target/.packages/${package}_"*.deb Depends
done | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/[[:space:]]//g' |
  grep -vE '^(qemu-.*|seabios|ipxe-qemu)?$' | sort -u >"$target/depends"

rm -rf "$target/.packages" "$target/usr/share/doc" "$target/usr/share/man"
echo "QEMU $version" >"$target/stamp"
