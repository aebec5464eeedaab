#!/usr/bin/env bash
# Gets this machine ready to run and test Fencepost. Safe to run again: what is there already is left alone.
#
#   ./setup.sh             everything, end-to-end test guests included (QEMU 10 and 11, kernels and Mesa, in .cache/)
#   ./setup.sh --no-guests only what the server needs
set -euo pipefail
cd "$(dirname "$0")"

bun_version=1.4.5
runtime_packages=(libvirglrenderer1 libegl1 libopengl0 libgl1-mesa-dri libgbm1 virgl-server mesa-vulkan-drivers)
guest_packages=(gcc libc6-dev libdrm-dev libvulkan-dev glslang-tools busybox-static cpio xz-utils zstd e2fsprogs)
wayland_packages=(weston xvfb xdotool libwayland-dev wayland-protocols)
browser_packages=(chromium fonts-dejavu-core)
shell_packages=(man-db zsh fish)
# systemd-analyze reads the units, and virt-qemu-run starts a guest as libvirt does.
service_packages=(systemd libvirt-daemon-driver-qemu)

guests=yes
for argument in "$@"; do
  case "$argument" in
    --no-guests) guests=no ;;
    *)
      sed -n '2,5s/^# \{0,1\}//p' "$0"
      [ "$argument" = --help ] && exit 0
      printf 'setup: there is no %s\n' "$argument" >&2
      exit 2
      ;;
  esac
done

say() { printf 'setup: %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "this needs root, and there is no sudo: $*" >&2
    exit 1
  fi
}

install_bun() {
  if [ "$(bun --version 2>/dev/null || true)" = "$bun_version" ]; then
    say "bun $bun_version is on PATH"
    return
  fi
  if ! command -v npm >/dev/null; then
    say "bun $bun_version is not on PATH, and npm, which would install it, isn't either." >&2
    say "Install npm (Debian: apt-get install npm) and run this again, or put bun $bun_version on PATH yourself." >&2
    exit 1
  fi
  say "installing bun $bun_version from npm"
  # npm's global directory is the user's own under nvm and the like, and root's otherwise.
  if [ -w "$(npm root --global)" ]; then
    npm install --global "bun@$bun_version"
  else
    as_root npm install --global "bun@$bun_version"
  fi
  hash -r
  if [ "$(bun --version 2>/dev/null || true)" != "$bun_version" ]; then
    say "npm installed bun $bun_version into $(npm prefix --global)/bin, but PATH finds another first" >&2
    exit 1
  fi
}

on_debian() { [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "${ID:-}")" = debian ]; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }

apt_updated=no
install_packages() {
  local package missing=()
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  if [ "${#missing[@]}" = 0 ]; then
    say "$# Debian packages are there"
    return
  fi
  say "installing ${missing[*]}"
  if [ "$apt_updated" = no ]; then
    as_root apt-get -qq update
    apt_updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends --yes \
    "${missing[@]}" >/dev/null
}

install_bun
bun install --frozen-lockfile

if ! on_debian; then
  say "this is not Debian, so nothing more is installed. Fencepost wants what Debian calls"
  say "  ${runtime_packages[*]}"
  say "and its end-to-end tests want QEMU 10 and 11.1, kernels, ${guest_packages[*]} ${wayland_packages[*]} ${browser_packages[*]} ${service_packages[*]}; see docs/guests.md"
  exit 0
fi

if [ "$guests" = no ]; then
  install_packages "${runtime_packages[@]}"
  say "ready (without test guests)"
  exit 0
fi

install_packages "${runtime_packages[@]}" "${guest_packages[@]}" "${wayland_packages[@]}" "${browser_packages[@]}" "${shell_packages[@]}" \
  "${service_packages[@]}"
if [ "$(dpkg --print-architecture)" != amd64 ]; then
  say "ready; the end-to-end test guests are amd64 only and were left out"
  exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
scripts/fetch-perfetto.sh
scripts/fetch-qemu.sh
mapfile -t qemu_packages <.cache/qemu/depends
install_packages "${qemu_packages[@]}"
scripts/fetch-qemu-11.sh
scripts/fetch-renderer.sh
scripts/fetch-kernels.sh
scripts/build-root.sh
scripts/build-guest.sh
scripts/build-kvm-guest.sh
say "ready: bun run server, or bun test"
