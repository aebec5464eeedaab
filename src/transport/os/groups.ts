// Groups of users by name.

import { readFileSync } from "node:fs";

/** The number of a group that /etc/group names, or that is a number already; null where there is none. */
export function groupId(group: string): number | null {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , id] = line.split(":");
    if (name === group) return Number(id);
  }
  return null;
}
