// What is wrong with the settings. Workers tell it too, which load nothing else of the settings' reading.

/** A mistake in the settings, or something they ask for that cannot be had; its message is for the person who made it. */
export class ConfigError extends Error {}
