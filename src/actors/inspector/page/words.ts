// Numbers and times as people read them. Pure, so that it is tested without a browser.

import type { ActorRecord } from "../feed.ts";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** ended by SIGSEGV amid SUBMIT_3D of context 2, 2026-11-30 09:14:36 UTC: another one after 310 ms */
export function crashText({ reason, at, backMs }: NonNullable<ActorRecord["lastCrash"]>): string {
  const when = `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
  return `${reason}, ${when}: ${backMs === null ? "none in its place" : `another one after ${count(backMs)} ms`}`;
}

/** 12,345 */
export const count = (value: number): string => grouped.format(value);

/** 1.5k, 3.2M: three digits at most. */
export function short(value: number): string {
  if (value < 10 && value % 1 !== 0) return value.toFixed(1);
  for (const [unit, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (value >= size * 0.9995) return `${threeDigits(value / size)}${unit}`;
  return value.toFixed(0);
}

/** 850 ns, 12.3 µs, 4.50 ms, 2.10 s */
export function duration(ns: number): string {
  for (const [unit, size] of [
    ["s", 1e9],
    ["ms", 1e6],
    ["µs", 1e3],
  ] as const)
    if (ns >= size * 0.9995) return `${threeDigits(ns / size)} ${unit}`;
  return `${ns.toFixed(0)} ns`;
}

/** 512 B, 4.00 KiB, 16.0 MiB */
export function bytes(value: number): string {
  for (const [unit, size] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 1024],
  ] as const)
    if (value >= size) return `${threeDigits(value / size)} ${unit}`;
  return `${value.toFixed(0)} B`;
}

/** 01:12.480: where `ns` is in a recording; with hours where there are. */
export function position(ns: number): string {
  const ms = Math.floor(ns / 1e6);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  const hours = ms < 3_600_000 ? "" : `${two(ms / 3_600_000)}:`;
  const rest = `${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}`;
  return `${hours}${rest}.${String(ms % 1000).padStart(3, "0")}`;
}

const threeDigits = (value: number): string => value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);

/** 14:03:07.123456 in the viewer's time zone; `ms` since 1970. */
export function clock(ms: number): string {
  if (Number.isNaN(ms)) return "";
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * 1e3);
  const at = new Date(whole);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${time}.${String(at.getMilliseconds()).padStart(3, "0")}${String(micros).padStart(3, "0")}`;
}
