// Numbers of flows: events that have the same one are joined by arrows.

const kinds = { command: 1, message: 2 } as const;
/** Slots of actors take a byte each. */
const numbers = 2 ** 32;

const flow = (kind: number, from: number, to: number, number: number): number =>
  (kind * 65_536 + from * 256 + to) * numbers + number;

/** Of a command, through its fence to the frame that shows it. */
export const commandFlow = (slot: number, number: number): number => flow(kinds.command, slot, 0, number);

/** Of the message of that number between two actors. */
export const messageFlow = (from: number, to: number, number: number): number =>
  flow(kinds.message, from, to, number);
