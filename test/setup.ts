// Every test run checks messages against their schemas on receipt (see src/actors/runtime). Servers start without a
// renderer, which takes time that most tests have no use for; those of 3D ask for it. Storage is memfd everywhere, and
// not what the machine's GPU may have, unless somebody asks for another kind to be tested.

process.env["FENCEPOST_CHECK_MESSAGES"] ??= "1";
process.env["FENCEPOST_RENDERER"] ??= "software";
process.env["FENCEPOST_STORAGE"] ??= "memfd";
