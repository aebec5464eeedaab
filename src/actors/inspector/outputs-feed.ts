// What /api/outputs tells.

/** The guest's outputs, and who says their modes. */
export interface OutputsRecord {
  said: "server" | "vmm";
  outputs: OutputRecord[];
}

interface OutputRecord {
  output: number;
  isOn: boolean;
  /** Its place and mode; zero where it is off. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** The size of what the guest shows there; null where that is nothing. */
  shows: { width: number; height: number } | null;
}
