# Debian packages for the cache, from the mirror that this system already uses. Sourced, not run.
#
# The system's own apt sources and lists stay as they are: everything here has its own under .cache/apt.

cache="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.cache"
apt_root="$cache/apt"

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

# --help prints what stands at the head of the script, which takes no arguments unless it says takes_arguments=yes.
case "${1:-}" in
  -h | --help)
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
esac
[ "$#" = 0 ] || [ "${takes_arguments:-no}" = yes ] || fail "takes no arguments, and was given $*: see --help"

os_release() { (. /etc/os-release && printf '%s' "${!1:-}"); }

require_debian() {
  [ "$(os_release ID)" = debian ] || fail "needs Debian (this is '$(os_release ID)'); see docs/guests.md"
  [ "$(dpkg --print-architecture)" = amd64 ] || fail "the test guests are amd64 only"
}

# The URI of the mirror that serves this release's main component. FENCEPOST_DEBIAN_MIRROR overrides it.
mirror_uri() {
  if [ -n "${FENCEPOST_DEBIAN_MIRROR:-}" ]; then
    printf '%s' "$FENCEPOST_DEBIAN_MIRROR"
    return
  fi
  # Third-party sources may use the release's name too; Origin tells them apart once lists were fetched.
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(ORIGIN) $(SITE)' 'Created-By: Packages' |
    awk -v codename="$(os_release VERSION_CODENAME)" '
      $1 ~ "^(" codename "|stable|oldstable|testing|sid|unstable)$" && $2 == "main" {
        if ($3 == "Debian") { print $NF; found = 1; exit }
        if (fallback == "") fallback = $NF
      }
      END { if (!found && fallback != "") print fallback }'
}

# private_apt SUITE...: package_field and unpack_packages then see exactly these suites.
private_apt() {
  local mirror signed_by="" keyring suite sources=""
  mirror="$(mirror_uri)"
  [ -n "$mirror" ] || fail "apt names no Debian mirror; set FENCEPOST_DEBIAN_MIRROR to one"
  for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    [ -e "$keyring" ] && signed_by="[signed-by=$keyring] "
  done
  mkdir -p "$apt_root/lists/partial" "$apt_root/archives/partial"
  for suite in "$@"; do sources+="deb $signed_by$mirror $suite main"$'\n'; done
  printf '%s' "$sources" >"$apt_root/sources.list"
  # Hooks after an update are for the system's own lists. The sandbox user can't write into the cache.
  cat >"$apt_root/apt.conf" <<EOF_CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Get::List-Cleanup "false";
Dir::Etc::sourcelist "$apt_root/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt_root/lists";
Dir::Cache "$apt_root";
Dir::Cache::archives "archives";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
APT::Sandbox::User "root";
EOF_CONF
  say "reading the package lists of $*"
  apt-get "--config-file=$apt_root/apt.conf" -qq update
}

# package_field PACKAGE SUITE FIELD
package_field() {
  apt-cache "--config-file=$apt_root/apt.conf" show --no-all-versions -o "APT::Default-Release=$2" "$1" | sed -n "s/^$3: //p"
}

# dependencies SUITE PACKAGE...: these packages and all that they depend on, as for a system that has none yet.
dependencies() {
  local suite="$1"
  shift
  apt-get "--config-file=$apt_root/apt.conf" -qq -o "APT::Default-Release=$suite" -o Dir::State::status=/dev/null \
    -o Debug::NoLocking=true --no-install-recommends --simulate install "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

# unpack_packages DIRECTORY SUITE PACKAGE...: downloads into a scratch directory and unpacks without installing.
# The package files are left in DIRECTORY/.packages for the caller to read fields from and remove.
unpack_packages() {
  local directory="$1" suite="$2" package file
  shift 2
  mkdir -p "$directory/.packages"
  (cd "$directory/.packages" && apt-get "--config-file=$apt_root/apt.conf" -qq -o Dir::State::status=/dev/null \
    -o "APT::Default-Release=$suite" download "$@")
  for file in "$directory"/.packages/*.deb; do
    dpkg -x "$file" "$directory"
  done
}

# bootstrap RELEASE DIRECTORY TOOLS: the least root of a release, by debootstrap, which is unpacked to TOOLS.
bootstrap() {
  local release="$1" directory="$2" tools="$3"
  # Only a script and its data: taken as it is, it need not be installed.
  private_apt "$(os_release VERSION_CODENAME)"
  unpack_packages "$tools" "$(os_release VERSION_CODENAME)" debootstrap
  DEBOOTSTRAP_DIR="$tools/usr/share/debootstrap" \
    "$tools/usr/sbin/debootstrap" --variant=minbase "$release" "$directory" "$(mirror_uri)"
}
