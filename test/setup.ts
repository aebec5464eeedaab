// Every test run checks messages against their schemas on receipt (see src/actors/runtime).
process.env.FENCEPOST_CHECK_MESSAGES ??= "1";
