// The doors of the server that the fuzzer knows.

import type { Target } from "./target.ts";
import { bridge } from "./targets/bridge.ts";
import { commandTarget } from "./targets/commands.ts";
import { control } from "./targets/control.ts";
import { displayReplies } from "./targets/display-replies.ts";
import { hostBlobs } from "./targets/host-blobs.ts";
import { inspector } from "./targets/inspector.ts";
import { recordings } from "./targets/recordings.ts";
import { rings } from "./targets/rings.ts";
import { snapshots } from "./targets/snapshots.ts";
import { streams } from "./targets/streams.ts";
import { venus } from "./targets/venus.ts";
import { vhostUser } from "./targets/vhost-user.ts";
import { wayland } from "./targets/wayland.ts";

export const targets: readonly Target[] = [
  vhostUser,
  rings,
  commandTarget,
  streams,
  venus,
  hostBlobs,
  displayReplies,
  wayland,
  bridge,
  control,
  inspector,
  recordings,
  snapshots,
];
