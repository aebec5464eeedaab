// How a setting's name is written on the command line.

/** A setting's flag, without the dashes. */
export const flagOf = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
