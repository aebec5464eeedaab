// Every test run checks messages against their schemas on receipt (see src/actors/runtime), and waits long enough for
// a busy machine: a test that hangs is ended, one that is slow is not.

import { setDefaultTimeout } from "bun:test";

process.env["FENCEPOST_CHECK_MESSAGES"] ??= "1";
setDefaultTimeout(30_000);
