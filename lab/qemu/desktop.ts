// A desktop in a guest of the vulkan root: Weston, which the guest's CPU draws.

const settings = "XDG_RUNTIME_DIR=/tmp/weston LIBSEAT_BACKEND=builtin";
const flags = "--backend=drm --renderer=pixman --continue-without-input --idle-time=0";

/** For the guest's shell, one after the other. It is on the screen some seconds later. */
export const desktopCommands = [
  "sh mkdir -m 700 /tmp/weston",
  `sh (${settings} weston ${flags}) >/tmp/weston.log 2>&1 &`,
] as const;
