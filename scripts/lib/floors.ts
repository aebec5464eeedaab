// Which rooms of a folder lie above which: what scripts/imports.ts draws, and what test/tidy.test.ts holds.

/** What others may know of an actor, whoever they are: it lies below all rooms. */
export const isPublic = (file: string): boolean =>
  /\/(?:messages|manifest|counters|device-type|command-form)\.ts$/.test(file);

/** Rooms from the top down; "*" stands for files that lie in the folder itself. */
export const floors: Readonly<Record<string, readonly string[]>> = {
  src: ["cli", "actors", "*", "picture", "transport", "ffi"],
  "src/actors/gpu": ["*", "commands", "journal", "outlets", "model", "pixels", "renderer"],
  "src/actors/display": ["*", "sinks", "scanouts", "surfaces"],
  "src/transport": ["wire", "virtio", "os"],
};
