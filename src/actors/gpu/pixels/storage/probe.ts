// Which storage 2D resources get: the best that this host has, found once at start and said in one line of the log.

import type { ServerConfig } from "../../../../config.ts";
import { ConfigError } from "../../../../config-error.ts";
import { DrmNode, renderNodes } from "../../../../transport/os/drm-node.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { Udmabuf, udmabufPath } from "../../../../transport/os/udmabuf.ts";
import type { Log } from "../../../runtime/log.ts";
import { GbmBuffers } from "./gbm-storage.ts";
import { MemfdStorage } from "./memfd-storage.ts";
import { type Tier, TierUnavailable } from "./tier.ts";

const probeWord = 0x0102_0304;

const memfd: Tier = {
  kind: "memfd",
  description: "memfds",
  create: (width, height) => MemfdStorage.create(width, height, null),
  close: () => undefined,
};

const finders = { gbm: findGbm, udmabuf: findUdmabuf } as const;

/**
 * Finds the storage that `--storage` asks for, or else the best; memfds are always there. Throws a {@link ConfigError}
 * where the one that was asked for cannot be had.
 */
export function chooseTier({ storage, renderNode }: ServerConfig, log: Log): Tier {
  const tier = storage === "auto" ? best(renderNode, log) : forced(storage, renderNode);
  log.info(`2D resources are kept in ${tier.description}`);
  return tier;
}

function forced(kind: "gbm" | "udmabuf" | "memfd", renderNode: string | undefined): Tier {
  if (kind === "memfd") return memfd;
  try {
    return finders[kind](renderNode);
  } catch (error) {
    if (!(error instanceof TierUnavailable)) throw error;
    throw new ConfigError(`--storage ${kind} cannot be had: ${error.message}`);
  }
}

function best(renderNode: string | undefined, log: Log): Tier {
  for (const [kind, find] of Object.entries(finders)) {
    try {
      return find(renderNode);
    } catch (error) {
      if (!(error instanceof TierUnavailable)) throw error;
      log.debug(`no ${kind} storage: ${error.message}`);
    }
  }
  return memfd;
}

/** gbm on the node that was named, or else on the first that works. */
function findGbm(renderNode: string | undefined): Tier {
  if (renderNode !== undefined) return gbmOn(openNode(renderNode));
  const reasons: string[] = [];
  for (const path of renderNodes()) {
    try {
      const node = openNode(path);
      if (!node.isPassedOver) return gbmOn(node);
      node.close();
      reasons.push(`${path} is one of ${node.driver}`);
    } catch (error) {
      if (!(error instanceof TierUnavailable)) throw error;
      reasons.push(error.message);
    }
  }
  throw new TierUnavailable(
    reasons.length > 0
      ? reasons.join("; ")
      : "/dev/dri has no render node: is a GPU there, and its driver loaded?",
  );
}

function gbmOn(node: DrmNode): Tier {
  const buffers = GbmBuffers.open(node);
  return {
    kind: "gbm",
    description: `gbm buffers of ${node.path} (${node.driver})`,
    create: (width, height) => buffers.create(width, height),
    close: () => buffers.close(),
  };
}

function openNode(path: string): DrmNode {
  try {
    return DrmNode.open(path);
  } catch (error) {
    const isForbidden = (error as NodeJS.ErrnoException).code === "EACCES";
    const hint = isForbidden ? ": is this user in its group, mostly render or video?" : "";
    throw new TierUnavailable(`${path} cannot be used (${(error as Error).message})${hint}`);
  }
}

function findUdmabuf(): Tier {
  let udmabuf: Udmabuf;
  try {
    udmabuf = Udmabuf.open();
  } catch (error) {
    const isForbidden = (error as NodeJS.ErrnoException).code === "EACCES";
    const hint = isForbidden
      ? "is this user in its group, mostly kvm?"
      : "has the kernel udmabuf (modprobe udmabuf)?";
    throw new TierUnavailable(`${udmabufPath} cannot be used (${(error as Error).message}): ${hint}`);
  }
  try {
    probeUdmabuf(udmabuf);
  } catch (error) {
    udmabuf.close();
    throw new TierUnavailable((error as Error).message);
  }
  return {
    kind: "udmabuf",
    description: "memfds, shared by udmabuf",
    create: (width, height) => MemfdStorage.create(width, height, udmabuf),
    close: () => udmabuf.close(),
  };
}

/** Shows that a dma-buf is the memfd's memory. */
function probeUdmabuf(udmabuf: Udmabuf): void {
  const storage = MemfdStorage.create(1, 1, udmabuf);
  try {
    new Uint32Array(storage.view())[0] = probeWord;
    const dmabuf = storage.dmabuf();
    if (dmabuf < 0) throw new Error(`${udmabufPath} makes no dma-buf of a memfd`);
    const memory = NativeMemory.mapShared(dmabuf, 0, storage.size, "read");
    const word = new Uint32Array(memory.view())[0];
    memory.unmap();
    if (word !== probeWord)
      throw new Error(`a dma-buf of ${udmabufPath} is not the memory that it was made of`);
  } finally {
    storage.free();
  }
}
