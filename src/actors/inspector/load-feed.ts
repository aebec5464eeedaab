// What the inspector's feed tells of the device's load.

/** What the device has done so far, and takes of the host: once a second. */
export interface LoadRecord {
  ns: number;
  queues: { queue: string; commands: number; interrupts: number; wakeUps: number }[];
  /** How often any actor was woken. */
  wakeUps: number;
  /** Memory in use: the process' own, and what it shares, such as guest memory that was touched. */
  ownBytes: number;
  sharedBytes: number;
  /** Of resources, and of guest memory that is mapped. */
  storageBytes: number;
  guestBytes: number;
  descriptors: number;
}
