// Which paths each kind of process reaches.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  type Call,
  ownShaderCache,
  reachOfRenderer,
  reachOfRenderServer,
  reachOfServer,
  writableFolders,
} from "../../../src/actors/sandbox/reach.ts";
import { interpretersOf } from "../../../src/transport/os/interpreters.ts";
import type { Reach } from "../../../src/transport/os/sandbox/landlock.ts";
import { serverConfig } from "../../support/fake-context.ts";

let folder: string;
const made = (name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "fencepost-test-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

const call = (directory: string, more: Partial<Call> = {}): Call => ({
  directory,
  environment: { HOME: made("home") },
  descriptors: [],
  files: [],
  goBack: () => {},
  ...more,
});
const pathsOf = (reach: Reach, right: string): string[] =>
  reach.paths.filter((rule) => rule.right === right).map(({ path }) => path);

test("a server writes to the folders of its files, to those for what is temporary, and where it was called", () => {
  const [sockets, logs, more, called] = ["sockets", "logs", "more", "called"].map(made);
  const config = serverConfig(
    ...["--socket-path", `${sockets}/gpu.sock`, "--log-file", `${logs}/log`, "--write-below", more!],
  );
  const folders = writableFolders(config, called!);
  expect(folders.toSorted()).toEqual([called!, logs!, more!, sockets!, tmpdir(), "/var/tmp"].toSorted());
});

test("a home, and what lies above one, is not written to for having been called from there", () => {
  const config = serverConfig("--socket-path", join(made("sockets"), "gpu.sock"));
  for (const directory of [homedir(), dirname(homedir()), "/"])
    expect(writableFolders(config, directory)).not.toContain(directory);
});

test("a process that runs guests' commands writes to its shaders' cache, and is called by nobody", () => {
  const home = made("home");
  const reach = reachOfRenderer(serverConfig("--renderer", "virgl"), call("/"));
  expect(pathsOf(reach, "write")).toEqual([join(home, ".cache/fencepost")]);
  expect(reach).toMatchObject({ listens: false, meetsAbstract: false });
  expect(pathsOf(reachOfRenderer(serverConfig("--renderer", "software"), call("/")), "write")).toEqual([]);
});

test("shaders are kept apart from those of other programs of the user", () => {
  expect(ownShaderCache({ HOME: "/home/u" })).toBe("/home/u/.cache/fencepost");
  expect(ownShaderCache({ HOME: "/home/u", XDG_CACHE_HOME: "/cache" })).toBe("/cache/fencepost");
  expect(ownShaderCache({})).toBeNull();
});

test("nobody reads a home, keys, passwords, or the whole of anything that has them", () => {
  const closed = ["/", "/etc", "/etc/shadow", "/home", "/root", "/var", "/run", "/dev", homedir()];
  const software = serverConfig("--socket-path", join(made("sockets"), "gpu.sock"), "--renderer", "software");
  for (const reach of [reachOfServer(software, call(made("called"))), reachOfRenderer(software, call("/"))])
    expect(reach.paths.map(({ path }) => path).filter((path) => closed.includes(path))).toEqual([]);
});

test("what is read and run besides is what is loaded, what variables name, and a render server of one's own", () => {
  const [drivers, own] = ["drivers", "own"].map(made);
  const config = serverConfig("--render-server", join(own!, "server"), "--renderer", "software");
  const environment = { LIBGL_DRIVERS_PATH: `${drivers}:relative:/not/there` };
  Bun.spawnSync(["touch", join(own!, "server")]);
  const reach = reachOfServer(config, call("/", { environment, files: [own!] }));
  expect(pathsOf(reach, "read")).toContain(drivers!);
  expect(pathsOf(reach, "read")).toContain(own!);
  expect(pathsOf(reach, "read")).not.toContain("/not/there");
  expect(pathsOf(reach, "run")).toContain(own!);
  expect(pathsOf(reach, "read")).toContain(realpathSync(dirname(process.execPath)));
});

test("what runs guests' Vulkan runs its own program alone, and reads nothing of other processes", () => {
  const environment = { HOME: made("home") };
  const reach = reachOfRenderServer("/bin/true", environment);
  const loader = interpretersOf("/bin/true").map((path) => realpathSync(path));
  expect(pathsOf(reach, "run")).toEqual([realpathSync("/bin/true"), ...loader]);
  expect(pathsOf(reach, "read").filter((path) => /^\/proc(?:\/\d+|\/self)?$/.test(path))).toEqual([]);
  expect(pathsOf(reach, "read")).toContain("/usr");
  expect(pathsOf(reach, "write")).toEqual([join(environment.HOME, ".cache/fencepost")]);
  const own = made("own");
  writeFileSync(join(own, "wrapper"), "#!/bin/sh\n");
  expect(pathsOf(reachOfRenderServer(join(own, "wrapper"), environment), "run")).toContain(own);
});

test("a server with its inspector listens, and one whose manager is abstract tells that", () => {
  expect(reachOfServer(serverConfig("--inspect"), call("/"))).toMatchObject({
    listens: true,
    meetsAbstract: false,
  });
  const environment = { NOTIFY_SOCKET: "@systemd" };
  expect(reachOfServer(serverConfig(), call("/", { environment }))).toMatchObject({
    listens: false,
    meetsAbstract: true,
  });
});
