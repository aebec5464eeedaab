#!/usr/bin/env bash
# Unpacks Debian 13's virglrenderer and Mesa with all that they load into .cache/renderer, where the system has older ones:
# that of Debian 12 speaks a venus that no Mesa with a venus driver of Debian's knows, so guests find no Vulkan on it.
#
#   .cache/renderer/run COMMAND…     runs a program, such as bun with a server, on these libraries
#   .cache/renderer/render-server    is what that server is to be given as --render-server
#
# .cache/renderer/stamp names the version; remove it to fetch again.
set -euo pipefail
. "$(dirname "$0")/lib/debian.sh"

target="$cache/renderer"

# A program of this system's with another's libraries has to be started by that one's loader.
write_programs() {
  cat >"$target/run" <<'EOF_RUN'
#!/bin/sh
# Runs a program on the libraries beside this file: scripts/fetch-renderer.sh.
usr="$(dirname "$(readlink -f "$0")")/usr"
libraries="$usr/lib/x86_64-linux-gnu"
program="$(command -v "$1")" || { echo "$0: there is no program $1" >&2; exit 127; }
shift
export __EGL_VENDOR_LIBRARY_DIRS="$usr/share/glvnd/egl_vendor.d" LIBGL_DRIVERS_PATH="$libraries/dri"
export GBM_BACKENDS_PATH="$libraries/gbm" VK_DRIVER_FILES="$usr/share/vulkan/icd.d/lvp_icd.json"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$(readlink -f "$program")" "$@"
EOF_RUN
  cat >"$target/render-server" <<'EOF_SERVER'
#!/bin/sh
# virglrenderer's render server, on the libraries beside this file. In its sandbox it can run nothing else.
usr="${0%/*}/usr"
libraries="$usr/lib/x86_64-linux-gnu"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$usr/libexec/virgl_render_server" "$@"
EOF_SERVER
  chmod +x "$target/run" "$target/render-server"
}

if [ -e "$target/stamp" ]; then
  write_programs
  say "$(cat "$target/stamp") is in .cache/renderer"
  exit 0
fi
require_debian
if [ "$(os_release VERSION_CODENAME)" != bookworm ]; then
  say "this system's virglrenderer will do"
  exit 0
fi

suite=trixie
# Of the tools that these packages are set up with.
not_loaded="adduser|base-passwd|debconf|login.defs|passwd|libpam.*|libsemanage.*"
private_apt "$suite"
version="$(package_field libvirglrenderer1 "$suite" Version)"
mapfile -t all < <(dependencies "$suite" libvirglrenderer1 virgl-server mesa-vulkan-drivers libvulkan1 libegl1 \
  libegl-mesa0 libgl1-mesa-dri libgbm1 libopengl0 libgles2 | grep -vxE "$not_loaded")
[ "${#all[@]}" -gt 0 ] || fail "apt finds no way to install libvirglrenderer1"

say "fetching virglrenderer $version and what it loads, ${#all[@]} packages, from $suite"
rm -rf "$target"
unpack_packages "$target" "$suite" "${all[@]}"
rm -rf "$target/.packages" "$target"/{etc,var} "$target/usr/share"/{doc,man,lintian,bug,gdb}

write_programs
"$target/run" "$(command -v bun)" --version >/dev/null || fail "bun does not run on what is in .cache/renderer"
echo "virglrenderer $version" >"$target/stamp"
