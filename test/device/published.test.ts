// What has been published against other virtio-gpu devices, named by its id, on both renderers. docs/threat-model.md says
// where the rest of it is tested.

import { describe, expect, test } from "bun:test";
import { untouched } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import * as blobs from "../../lab/driver/commands-blob.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import {
  BlobFlag,
  BlobMem,
  Feature,
  Format,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { patient } from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests, untilUsed } from "./support.ts";

const {
  ERR_INVALID_PARAMETER,
  ERR_INVALID_RESOURCE_ID,
  ERR_INVALID_SCANOUT_ID,
  ERR_OUT_OF_MEMORY,
  ERR_UNSPEC,
} = Response;
const gpuFeatures = [Feature.EDID, Feature.VIRGL, Feature.RESOURCE_BLOB];
const page = 4096;
const all = 0xffff_ffff;
const area = areaOf({ width: 8, height: 8 });
const image = { ...area, format: Format.B8G8R8X8, strides: [32] };
const guestBlob = { mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE };
const outside = { address: 0x7000_0000_0000, length: page };

type Row = [id: string, what: string, run: (guest: SyntheticGuest) => void];

const questions: Row[] = [
  [
    "CVE-2016-10028, CVE-2021-3546",
    "a capset that there is not is refused, with no room and with much",
    ({ gpu }) => {
      for (const id of [0, 3, 63, 64, 2 ** 31, all]) {
        for (const [version, room] of [
          [0, 0],
          [1, 1024],
          [all, 65_536],
        ] as const) {
          const result = gpu.getCapset(id, version, room);
          expectType(result, ERR_INVALID_PARAMETER);
          expect(result.length).toBe(24);
          expect(result.bytes.slice(24).every((byte) => byte === untouched)).toBe(true);
        }
      }
    },
  ],
  [
    "CVE-2021-3545",
    "a capset's index that there is not tells nothing of memory",
    ({ gpu }) => {
      for (const index of [2, 3, 99, 2 ** 31, all]) {
        const result = gpu.getCapsetInfo(index);
        expectType(result, ERR_INVALID_PARAMETER);
        expect(result.length).toBe(24);
        expect(result.bytes.slice(24).every((byte) => byte === untouched)).toBe(true);
      }
    },
  ],
  [
    "CVE-2026-68255",
    "an EDID is as long as its blocks say, 1024 bytes at most",
    ({ gpu }) => {
      for (let scanout = 0; scanout < 16; scanout++) {
        const { edid } = gpu.getEdid(scanout);
        expect(edid.length).toBe(128 * (1 + edid[126]!));
        expect(edid.length).toBeLessThanOrEqual(1024);
      }
    },
  ],
];

const resources: Row[] = [
  [
    "CVE-2026-3886, CVE-2021-3544 (86dd8fac2acc)",
    "sizes whose 32-bit products wrap are refused, and their ids stay free",
    ({ gpu }) => {
      const sizes = [
        [0x4000_0001, 1],
        [0x3fff_ffff, 4],
        [1, 0x4000_0001],
        [0x1_0000, 0x1_0000],
        [all, all],
      ] as const;
      for (const [width, height] of sizes) {
        expectType(gpu.createResource2d(1, 1, width, height), ERR_OUT_OF_MEMORY);
        expectType(gpu.unrefResource(1), ERR_INVALID_RESOURCE_ID);
      }
    },
  ],
  [
    "CVE-2017-5552, CVE-2017-5578, CVE-2016-10214, CVE-2021-3544 (b9f79858a614, 63736af5a657)",
    "a second backing is refused; one that fails leaves nothing, and room for one that does not",
    ({ gpu, memory }) => {
      const pages = memory.allocate(page, page);
      expectOk(gpu.createResource2d(1, 1, 8, 8));
      expectType(gpu.attachBacking(1, [pages, outside]), ERR_INVALID_PARAMETER);
      expectType(gpu.detachBacking(1), ERR_UNSPEC);
      expectOk(gpu.attachBacking(1, [pages]));
      expectType(gpu.attachBacking(1, [pages]), ERR_UNSPEC);
      expectOk(gpu.transferToHost2d(1, area));
      expectOk(gpu.detachBacking(1));
      expectOk(gpu.attachBacking(1, [pages]));
    },
  ],
  [
    "CVE-2021-3544 (b7afebcf9e6e, f6091d86ba9e)",
    "what goes with its backing, scanout and cursor is gone, and so is its id's memory",
    (guest) => {
      const { gpu } = guest;
      for (let round = 0; round < 20; round++) {
        const cursor = gpu.createImage(1, Format.B8G8R8A8, 64, 64);
        gpu.show(0, cursor);
        expectOk(gpu.updateCursor({ scanoutId: 0, x: 1, y: 1 }, 1));
        expectOk(gpu.unrefResource(1));
        expectType(gpu.transferToHost2d(1, area), ERR_INVALID_RESOURCE_ID);
        expectType(gpu.detachBacking(1), ERR_INVALID_RESOURCE_ID);
        expectType(gpu.flushResource(1, area), ERR_INVALID_RESOURCE_ID);
      }
    },
  ],
  [
    "work_items/4112",
    "a blob with fewer bytes than its size is not made, and cannot be shown",
    ({ gpu, memory, display }) => {
      const pages = memory.allocate(4 * page, page);
      for (const length of [0, 1, 4 * page - 1]) {
        const entries = length === 0 ? [] : [pages.slice(0, length)];
        const result = gpu.createBlob({ ...guestBlob, resourceId: 1, size: 4 * page }, entries);
        expectType(result, ERR_INVALID_PARAMETER);
        expectType(gpu.setScanoutBlob(0, 1, area, image), ERR_INVALID_RESOURCE_ID);
      }
      expect(display!.framebuffer(0)).toBe(null);
    },
  ],
  [
    "counts of entries, crosvm and vhost-device-gpu",
    "are no reason to take memory before they are checked",
    ({ control, gpu, memory }) => {
      const pages = memory.allocate(page, page);
      expectOk(gpu.createResource2d(1, 1, 8, 8));
      for (const [count, code] of [
        [2, ERR_INVALID_PARAMETER],
        [16_384, ERR_INVALID_PARAMETER],
        [0x1000_0001, ERR_OUT_OF_MEMORY],
        [all, ERR_OUT_OF_MEMORY],
      ] as const) {
        expectType(control.call(commands.attachBacking(1, [pages], {}, count)), code);
        const blob = { ...guestBlob, resourceId: 2, size: page };
        expectType(control.call(blobs.createBlob(blob, [pages], {}, count)), code);
      }
      expectOk(gpu.attachBacking(1, [pages]));
      expectOk(gpu.createBlob({ ...guestBlob, resourceId: 2, size: page }, [pages]));
    },
  ],
];

const scanouts: Row[] = [
  [
    "CVE-2016-10029, qemu#383",
    "a scanout that there is not is refused, also where there is nothing to show",
    ({ gpu, memory }) => {
      gpu.createImage(1, 1, 8, 8);
      expectOk(gpu.createBlob({ ...guestBlob, resourceId: 2, size: page }, [memory.allocate(page, page)]));
      for (const scanout of [16, 22, 2 ** 31, all]) {
        for (const id of [0, 1]) expectType(gpu.setScanout(scanout, id, area), ERR_INVALID_SCANOUT_ID);
        for (const id of [0, 2])
          expectType(gpu.setScanoutBlob(scanout, id, area, image), ERR_INVALID_SCANOUT_ID);
        expectType(gpu.updateCursor({ scanoutId: scanout, x: 0, y: 0 }, 0), ERR_INVALID_SCANOUT_ID);
        expectType(gpu.getEdid(scanout), ERR_INVALID_SCANOUT_ID);
      }
    },
  ],
  [
    "rectangles that wrap, from reading peers",
    "are refused by scanout, flush and transfer",
    ({ gpu }) => {
      gpu.createImage(1, 1, 8, 8);
      for (const [x, y, width, height] of [
        [0xffff_fff8, 0, 16, 8],
        [0, all, 8, 2],
        [1, 0, 8, 8],
        [all, all, all, all],
      ] as const) {
        const rectangle = { x, y, width, height };
        for (const refused of [
          gpu.setScanout(0, 1, rectangle),
          gpu.flushResource(1, rectangle),
          gpu.transferToHost2d(1, rectangle),
        ])
          expectType(refused, ERR_INVALID_PARAMETER);
      }
      expectType(gpu.setScanout(0, 1, { ...area, width: 0 }), ERR_INVALID_PARAMETER);
      // What lies beyond the backing is not copied, which is no error.
      for (const offset of [2n ** 64n - 4n, 2n ** 63n, 2n ** 53n])
        expectOk(gpu.transferToHost2d(1, area, offset));
    },
  ],
  [
    "work_items/3871",
    "a blob is not shown from an offset that wraps",
    ({ gpu, memory, display }) => {
      const pages = memory.allocate(2 * page, page);
      expectOk(gpu.createBlob({ ...guestBlob, resourceId: 1, size: 2 * page }, [pages]));
      for (const [layout, rectangle] of [
        [{ offsets: [0xffff_f000] }, {}],
        [{ offsets: [all] }, {}],
        [{ strides: [2 ** 31], height: 3 }, {}],
        [{ strides: [page], height: 2 ** 20 }, { y: 2 ** 20 - 8 }],
        [{ height: 0x1000_0000 }, { y: 0x800_0000 }],
        [{ width: 0x4000_0008 }, { x: 0x4000_0000 }],
      ] as const) {
        const result = gpu.setScanoutBlob(0, 1, { ...area, ...rectangle }, { ...image, ...layout });
        expectType(result, ERR_INVALID_PARAMETER);
      }
      expect(display!.framebuffer(0)).toBe(null);
    },
  ],
  [
    "CVE-2021-4206",
    "a cursor's size is never multiplied unchecked",
    (guest) => {
      const { gpu } = guest;
      const place = { scanoutId: 0, x: 3, y: 4 };
      for (const [width, height, code] of [
        [65_535, 65_535, ERR_OUT_OF_MEMORY],
        [0, 0, ERR_INVALID_PARAMETER],
      ] as const) {
        expectType(gpu.createResource2d(1, 1, width, height), code);
        expectType(gpu.updateCursor(place, 1), ERR_INVALID_RESOURCE_ID);
      }
      const good = gpu.createImage(1, Format.B8G8R8A8, 64, 64);
      good.pixels.fill(0xff12_3456);
      expectOk(gpu.transferToHost2d(1, areaOf(good)));
      expectOk(gpu.updateCursor(place, 1));
      guest.pump.until(() => guest.display!.cursors[0]!.pixels[0] === 0xff12_3456, "the cursor");
      expectOk(gpu.createResource2d(2, Format.B8G8R8A8, 63, 64));
      expectOk(gpu.updateCursor({ ...place, x: 9 }, 2));
      guest.pump.until(() => guest.display!.cursors[0]!.x === 9, "the cursor's new place");
      expect(guest.display!.cursors[0]!.pixels.every((pixel) => pixel === 0xff12_3456)).toBe(true);
    },
  ],
];

const queues: Row[] = [
  ...(["descriptors", "avail", "used"] as const).map((part): Row => [
    "CVE-2024-3446",
    `an answer into the ring's own ${part} costs that ring, until it is set up anew`,
    (guest) => {
      const { ring } = guest.control;
      const request = guest.memory.allocate(64);
      request.words[0] = 0xffff;
      ring.offer(ring.add([request.slice(0, 24)], [ring[part].slice(0, 24)]));
      ring.commit();
      // The answer may have written over what asks for an interrupt.
      untilUsed(guest, 1);
      expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }));
      guest.frontend.getVringBase(0);
      guest.control.reset(0);
      guest.startRing(0);
      guest.frontend.setVringEnable(0, true);
    },
  ]),
  [
    "work_items/3467",
    "a reset with 64 commands queued lets go of all of them",
    (guest) => {
      for (let round = 0; round < 8; round++) {
        const big = guest.gpu.createImage(1, 1, 256, 256);
        for (let at = 0; at < 64; at++) {
          guest.control.submit(commands.transferToHost2d(1, areaOf(big), 0), { hold: true });
        }
        guest.control.commit();
        guest.frontend.resetDevice();
        guest.queues.forEach((queue) => queue.reset(0));
        guest.start();
      }
      expectType(guest.gpu.unrefResource(1), ERR_INVALID_RESOURCE_ID);
    },
  ],
];

describe.each(["software", "virgl"])("with --renderer %s,", (renderer) => {
  const { withDevice, server } = serveTests("--renderer", renderer);

  test.each([...questions, ...resources, ...scanouts, ...queues])("%s: %s", (_id, _what, run) =>
    withDevice({ ...patient, gpuFeatures }, (guest) => {
      expect(guest.has(Feature.VIRGL)).toBe(renderer === "virgl");
      run(guest);
      expectWorking(guest);
    }),
  );

  test("DMABUF_UPDATE that is never answered, from reading peers: commands are", () =>
    withDevice(
      { patienceMs: patient.patienceMs, display: { ...patient.display, answersUpdates: false } },
      (guest) => {
        for (let round = 1; round <= 40; round++) {
          const shown = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 64);
          guest.gpu.show(round % 2, shown);
          guest.gpu.present(shown);
          expectType(guest.gpu.getDisplayInfo(), Response.OK_DISPLAY_INFO);
          expectOk(guest.gpu.unrefResource(1));
        }
        expectWorking(guest);
      },
    ));

  test("CVE-2016-7994, CVE-2016-9845, CVE-2016-9846, CVE-2016-9908, CVE-2016-9912: nothing leaks", () =>
    withDevice({ ...patient, gpuFeatures }, (guest) => {
      const { control, gpu, memory } = guest;
      const pages = memory.allocate(128 * 128 * 4, page);
      const cursor = gpu.createImage(2, 1, 64, 64);
      const life = [
        commands.createResource2d(1, 1, 128, 128),
        commands.createResource2d(1, 1, 128, 128),
        commands.attachBacking(1, [pages, outside]),
        commands.attachBacking(1, [pages]),
        commands.attachBacking(1, [pages]),
        commands.transferToHost2d(1, areaOf({ width: 128, height: 128 }), 0),
        commands.unrefResource(1),
        commands.getCapset(2, 2),
      ];
      const lives = (count: number): void => {
        for (let at = 0; at < count; at++) {
          for (const request of life) control.submit(request, { hold: true });
          control.commit();
          if (at % 10 === 0) expectOk(gpu.updateCursor({ scanoutId: 0, x: at & 255, y: 1 }, 2));
        }
        control.waitAll();
      };
      lives(500);
      const before = server().usage();
      lives(1500);
      const after = server().usage();
      expect(after.fds).toBeLessThan(before.fds + 8);
      // One picture a life would be 94 MiB.
      expect(after.residentBytes - before.residentBytes).toBeLessThan(48 * 2 ** 20);
      expectOk(gpu.unrefResource(cursor.resourceId));
    }));
});
