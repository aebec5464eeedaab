// `ctl outputs`: the guest's outputs as a table.

import type { SupervisorMessage } from "../actors/supervisor/messages.ts";
import { table } from "./tables.ts";

export type OutputsAnswer = Pick<Extract<SupervisorMessage, { type: "outputs" }>, "said" | "outputs">;

export function outputsText({ said, outputs }: OutputsAnswer): string {
  const rows = outputs.map(({ output, isOn, width, height, x, y, shows }) => [
    String(output),
    isOn ? `${width}x${height}` : "off",
    isOn ? `${x},${y}` : "-",
    shows === null ? "nothing" : `${shows.width}x${shows.height}`,
  ]);
  const told = table(["OUTPUT>", "MODE", "AT", "GUEST SHOWS"], rows);
  return said === "vmm" ? `${told}\nthe VMM shows the picture, and says the modes` : told;
}
