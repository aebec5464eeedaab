// Dark or light: as the system has it, until somebody says otherwise here.

import { effect, signal } from "@preact/signals";

const order = ["system", "dark", "light"] as const;
type Theme = (typeof order)[number];

const kept = localStorage.getItem("theme") as Theme | null;
export const theme = signal<Theme>(kept !== null && order.includes(kept) ? kept : "system");

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  localStorage.setItem("theme", theme.value);
});

export function switchTheme(): void {
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length]!;
}
