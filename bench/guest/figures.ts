// A load's figures.

import { type Figure, figure } from "../system/figure.ts";
import { agesOf, shownFrames } from "./frames.ts";
import type { GuestLoad } from "./load.ts";
import type { Run } from "./session.ts";

export const othersMetric = "CPUs busy with others";

/** Nothing is seen before it is done, but for what the two clocks and their rates are apart. */
const earlyMaxUs = 200;

export function figuresOf(load: GuestLoad, run: Run): Figure[] {
  const agesUs = load.stampAt === null ? [] : agesOf(shownFrames(run.pictures, run.firstNumber), run.givenUs);
  const ages = agesUs.map((us) => Math.max(0, us / 1e3));
  if (load.measures === "latency") {
    if (ages.length === 0) throw new Error("QEMU's console showed none of the changes");
    if (Math.min(...agesUs) < -earlyMaxUs) throw new Error("the guest's clock and QEMU's went apart");
    return [
      figure("flush to console", "ms", "less", ages),
      figure("error of the clocks", "ms", "neither", [run.clockErrorUs / 1e3]),
    ];
  }
  const { count } = run;
  const seconds = run.durationUs / 1e6;
  const { qemu, backend, writtenBytes, othersShare } = run.cpu;
  const shown = run.pictures.length;
  return [
    figure("rate", load.unit, "more", [count / seconds]),
    figure("host CPU each", "ms", "less", [(qemu + backend) / 1e6 / count]),
    figure("back-end CPU each", "ms", "neither", [backend / 1e6 / count]),
    figure("back-end writes", "MiB/s", "neither", [writtenBytes / 2 ** 20 / seconds]),
    ...(load.isShown
      ? [
          figure("pictures on QEMU's console", "/s", "neither", [shown / seconds]),
          figure("host CPU a picture", "ms", "less", [
            shown === 0 ? Infinity : (qemu + backend) / 1e6 / shown,
          ]),
        ]
      : []),
    figure(othersMetric, "%", "neither", [othersShare * 100]),
    ...(load.stampAt !== null
      ? [figure("age of the picture", "ms", "neither", ages.length === 0 ? [Infinity] : ages)]
      : []),
  ];
}
