// Settings from flags, environment and file: which wins, and what is said of mistakes.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { helpText } from "../src/config-help.ts";
import { settings } from "../src/config-settings.ts";
import { ConfigError, parseCommandLine, type ServerConfig } from "../src/config.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Env = Record<string, string | undefined>;

function serve(args: string[], env: Env = {}): ServerConfig {
  const request = parseCommandLine(args, env);
  if (request.kind !== "serve") throw new Error(`asked for ${request.kind}`);
  return request.config;
}

function mistake(args: string[], env: Env = {}): string {
  try {
    parseCommandLine(args, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "no mistake";
}

function file(settings: unknown): string {
  const path = join(folder, `${Bun.hash(JSON.stringify(settings))}.json`);
  writeFileSync(path, typeof settings === "string" ? settings : JSON.stringify(settings));
  return path;
}

describe("what is asked for", () => {
  test("help, version and capabilities come before everything else", () => {
    for (const flag of ["--help", "-h"]) expect(parseCommandLine([flag], {})).toEqual({ kind: "help" });
    for (const flag of ["--version", "-V"]) expect(parseCommandLine([flag], {})).toEqual({ kind: "version" });
    expect(parseCommandLine(["--print-capabilities"], {})).toEqual({ kind: "capabilities" });
    expect(parseCommandLine(["--help", "--poll-us", "nonsense"], {})).toEqual({ kind: "help" });
  });

  test("without flags the defaults are served", () => {
    expect(serve([])).toMatchObject({
      fd: undefined,
      once: false,
      resourceBridge: [],
      renderer: "auto",
      outputs: [{ width: 1280, height: 800 }],
      pollUs: 0,
      displayTimeoutMs: 2000,
      resourcesMax: 65536,
      storageBytesMax: 2 ** 32,
      contextsMax: 1024,
      subContextsMax: 64,
      objectsMax: 65_536,
      glContextsMax: 1024,
      totalObjectsMax: 524_288,
      objectBytesMax: 256 * 2 ** 20,
      fenceAlarmMs: 5000,
      backingEntriesMax: 16384,
      commandBytesMax: 4 * 2 ** 20,
      dev: false,
      logLevel: "info",
      checkMessages: false,
    });
  });

  test("QEMU's flags for its own back-end are taken", () => {
    const config = serve(["--virgl", "--render-node", "/dev/dri/renderD128", "--socket-path", "/run/a.sock"]);
    expect(config).toMatchObject({
      socketPath: "/run/a.sock",
      renderer: "auto",
      renderNode: "/dev/dri/renderD128",
    });
    expect(serve(["--virgl", "--renderer", "software"]).renderer).toBe("software");
    // libvirt's flag is nobody's wish: the administrator's is.
    expect(serve(["--virgl"], { FENCEPOST_RENDERER: "software" }).renderer).toBe("software");
    expect(serve(["--virgl", "--config", file({ renderer: "virgl" })]).renderer).toBe("virgl");
    expect(serve(["-s", "/run/b.sock"]).socketPath).toBe("/run/b.sock");
    expect(serve(["-f", "3"]).fd).toBe(3);
    expect(serve(["--fd=4"]).fd).toBe(4);
  });

  test("settings can be posted to a worker", () => {
    const config = serve(["--outputs", "640x480,800x600"]);
    expect(structuredClone(config)).toEqual(config);
  });
});

describe("values", () => {
  test("outputs are modes, one an output", () => {
    expect(serve(["--outputs", "640x480,1920x1080"]).outputs).toEqual([
      { width: 640, height: 480 },
      { width: 1920, height: 1080 },
    ]);
    expect(serve(["--outputs", Array.from({ length: 16 }, () => "32x32").join()]).outputs).toHaveLength(16);
  });

  test("there may be more scanouts than outputs that are on, and not fewer", () => {
    expect(serve([]).scanouts).toBe(1);
    expect(serve(["--outputs", "640x480,800x600"]).scanouts).toBe(2);
    expect(serve(["--outputs", "640x480,800x600", "--scanouts", "16"]).scanouts).toBe(16);
    expect(mistake(["--outputs", "640x480,800x600", "--scanouts", "1"])).toStartWith(
      "--scanouts 1: want at least the 2 that --outputs names",
    );
    for (const count of ["0", "17", "two"]) {
      expect(mistake(["--scanouts", count])).toStartWith("--scanouts: want a whole number from 1 to 16");
    }
  });

  test("outputs that make no sense are refused", () => {
    for (const outputs of ["", "640", "640x", "640x480,", "0x480", "640x0", "-1x2", "640×480", "123456x1"]) {
      expect(mistake([`--outputs=${outputs}`])).toStartWith("--outputs: ");
    }
    expect(mistake(["--outputs", Array.from({ length: 17 }, () => "32x32").join()])).toStartWith(
      "--outputs: ",
    );
  });

  test("outputs that no EDID can say, or no driver takes, are refused with the bounds", () => {
    for (const outputs of ["1x1", "31x480", "640x31", "99999x99999", "16385x600"]) {
      expect(mistake(["--outputs", outputs])).toContain("32 to 16384 pixels each way");
    }
    expect(serve(["--outputs", "32x16384"]).outputs).toEqual([{ width: 32, height: 16_384 }]);
  });

  test("socket modes are octal, give the owner all and nobody more", () => {
    expect(serve([]).socketMode).toBe(0o600);
    expect(serve(["--socket-mode", "660"]).socketMode).toBe(0o660);
    expect(serve([], { FENCEPOST_SOCKET_MODE: "0666" }).socketMode).toBe(0o666);
    for (const mode of ["", "6", "777", "060", "661", "4660", "888", "rw"]) {
      expect(mistake([`--socket-mode=${mode}`])).toStartWith("--socket-mode: ");
    }
  });

  test("a socket's group is a name of /etc/group or a number", () => {
    expect(serve(["--socket-group", "root"]).socketGroup).toBe(0);
    expect(serve(["--socket-group", "4711"]).socketGroup).toBe(4711);
    expect(mistake(["--socket-group", "no such group"])).toContain("there is no group no such group");
  });

  test("paths are relative to the caller's directory, wherever they are given", () => {
    const { config: request } = parseCommandLine(
      [
        "--socket-path",
        "a.sock",
        "--resource-bridge",
        "../b",
        "--resource-bridge",
        "/c",
        "--render-node",
        "d",
      ],
      { FENCEPOST_CONTROL_PATH: "./e" },
      "/srv/vm",
    ) as { config: ServerConfig };
    expect(request).toMatchObject({
      socketPath: "/srv/vm/a.sock",
      resourceBridge: ["/srv/b", "/c"],
      renderNode: "/srv/vm/d",
      controlPath: "/srv/vm/e",
    });
    writeFileSync(join(folder, "own.json"), '{"socketPath":"f.sock"}');
    expect(parseCommandLine(["--config", "own.json"], {}, folder)).toMatchObject({
      config: { socketPath: join(folder, "f.sock"), controlPath: join(folder, "f.sock.ctl") },
    });
  });

  test("numbers are whole, in decimal and within their limits", () => {
    for (const value of ["", " ", "x", "1.5", "-1", "1e3", "0x10", "10001", "Infinity", "NaN"]) {
      expect(mistake([`--poll-us=${value}`])).toStartWith("--poll-us: ");
    }
    expect(serve(["--poll-us", "10000"]).pollUs).toBe(10_000);
    expect(serve(["--poll-us", "0"]).pollUs).toBe(0);
    expect(mistake(["--display-timeout-ms", "0"])).toStartWith("--display-timeout-ms: ");
    expect(mistake(["--resources-max", "0"])).toStartWith("--resources-max: ");
    expect(mistake(["--command-bytes-max", "4095"])).toStartWith("--command-bytes-max: ");
    expect(mistake(["--backing-entries-max", "65537"])).toStartWith("--backing-entries-max: ");
  });

  test("a frame rate is a whole number, or none at all, or left to the outputs", () => {
    expect(serve([]).frameRate).toBeUndefined();
    expect(serve(["--frame-rate", "144"]).frameRate).toBe(144);
    expect(serve(["--frame-rate=unlimited"]).frameRate).toBe("unlimited");
    expect(serve([], { FENCEPOST_FRAME_RATE: "30" }).frameRate).toBe(30);
    expect(serve(["--config", file({ frameRate: 75 })]).frameRate).toBe(75);
    for (const value of ["0", "1001", "fast", "59.9", ""]) {
      expect(mistake([`--frame-rate=${value}`])).toStartWith(
        "--frame-rate: want a whole number from 1 to 1000, or unlimited",
      );
    }
  });

  test("paths that may be given more than once are all kept", () => {
    const expected = { resourceBridge: ["/run/wl", "/run/video"] };
    expect(serve(["--resource-bridge", "/run/wl", "--resource-bridge=/run/video"])).toMatchObject(expected);
    expect(serve([], { FENCEPOST_RESOURCE_BRIDGE: "/run/wl:/run/video" })).toMatchObject(expected);
    expect(serve(["--config", file(expected)])).toMatchObject(expected);
    // Those of a flag take the place of the others.
    const env = { FENCEPOST_RESOURCE_BRIDGE: "/run/wl:/run/video" };
    expect(serve(["--resource-bridge", "/a:b"], env).resourceBridge).toEqual(["/a:b"]);
  });

  test("paths that make no sense are refused", () => {
    expect(mistake(["--resource-bridge="])).toStartWith("--resource-bridge: ");
    expect(mistake(["--resource-bridge", "/a", "--resource-bridge", "/a"])).toContain("want each path once");
    const many = Array.from({ length: 17 }, (_, at) => `--resource-bridge=/${at}`);
    expect(mistake(many)).toStartWith("--resource-bridge: ");
    expect(mistake([], { FENCEPOST_RESOURCE_BRIDGE: "/a:" })).toStartWith("FENCEPOST_RESOURCE_BRIDGE: ");
    expect(mistake(["--config", file({ resourceBridge: "/a" })])).toStartWith(
      '"resourceBridge" in the file: ',
    );
  });

  test("an empty variable counts as none, and as no descriptor 0", () => {
    expect(serve([], { FENCEPOST_FD: "", FENCEPOST_ONCE: "", FENCEPOST_RESOURCE_BRIDGE: "" })).toMatchObject({
      fd: undefined,
      once: false,
      resourceBridge: [],
    });
    expect(serve(["--config", file({ pollUs: 9 })], { FENCEPOST_POLL_US: "" }).pollUs).toBe(9);
  });

  test("bytes are a whole number, or one with a unit of powers of 1024", () => {
    const sizes = {
      "4G": 2 ** 32,
      "512M": 2 ** 29,
      "64k": 2 ** 16,
      "1T": 2 ** 40,
      "2GiB": 2 ** 31,
      "4096": 4096,
    };
    for (const [text, bytes] of Object.entries(sizes)) {
      expect(serve(["--storage-bytes-max", text]).storageBytesMax).toBe(bytes);
      expect(serve([], { FENCEPOST_STORAGE_BYTES_MAX: text }).storageBytesMax).toBe(bytes);
    }
    expect(serve(["--config", file({ commandBytesMax: "8M", objectBytesMax: 5000 })])).toMatchObject({
      commandBytesMax: 2 ** 23,
      objectBytesMax: 5000,
    });
    for (const text of ["", "M", "1.5G", "-1M", "4GB", "4 G", "9007199254740992", "999999999T"]) {
      expect(mistake([`--storage-bytes-max=${text}`])).toStartWith(
        "--storage-bytes-max: want bytes, such as 64M\n",
      );
    }
    expect(mistake(["--command-bytes-max=1K"])).toStartWith(
      "--command-bytes-max: want bytes from 4K to 64M, such as 64M",
    );
    expect(mistake(["--object-bytes-max=1K"])).toStartWith(
      "--object-bytes-max: want bytes from 4K, such as 64M",
    );
    // Numbers of anything else have no unit.
    expect(mistake(["--resources-max=1K"])).toStartWith("--resources-max: want a whole number");
  });

  test("the file may have comments and commas at ends", () => {
    const text = '// of this host\n{ "pollUs": 7, /* no GPU here */ "renderer": "software", }\n';
    expect(serve(["--config", file(text)])).toMatchObject({ pollUs: 7, renderer: "software" });
  });

  test("variables of ours that nobody reads are told, and those of others are not", () => {
    const env = { FENCEPOST_POL_US: "3", FENCEPOST_POLL_US: "4", FENCEPOST_CHECK_MESSAGES: "0", HOME: "/" };
    expect(parseCommandLine([], env)).toMatchObject({ kind: "serve", unknown: ["FENCEPOST_POL_US"] });
  });

  test("numbers in the file are numbers or their digits", () => {
    expect(serve(["--config", file({ pollUs: 7, resourcesMax: "8" })])).toMatchObject({
      pollUs: 7,
      resourcesMax: 8,
    });
    for (const value of [null, true, [], [5], {}, 1.5, ""]) {
      expect(mistake(["--config", file({ pollUs: value })])).toStartWith('"pollUs" in the file: ');
    }
  });

  test("switches in the environment are 1 or 0, and anything else is a mistake", () => {
    expect(serve([], { FENCEPOST_ONCE: "1" }).once).toBe(true);
    expect(serve([], { FENCEPOST_ONCE: "0" }).once).toBe(false);
    for (const value of ["yes", "true", "2"]) {
      expect(mistake([], { FENCEPOST_ONCE: value })).toStartWith("FENCEPOST_ONCE: ");
    }
  });

  test("switches in the file are booleans", () => {
    expect(serve(["--config", file({ once: true })]).once).toBe(true);
    expect(mistake(["--config", file({ once: "true" })])).toStartWith('"once" in the file: ');
  });

  test("words are those that are offered", () => {
    expect(mistake(["--renderer", "vulkan"])).toMatch(/^--renderer: .*auto/);
    expect(mistake(["--log-level", "loud"])).toMatch(/^--log-level: .*debug/);
    expect(mistake(["--socket-path", ""])).toStartWith("--socket-path: ");
  });
});

describe("precedence", () => {
  const path = (): string => file({ pollUs: 1, logLevel: "error", outputs: "32x32" });

  test("a flag beats the environment, which beats the file, which beats the default", () => {
    const env = { FENCEPOST_POLL_US: "2", FENCEPOST_LOG_LEVEL: "warning" };
    expect(serve(["--config", path(), "--poll-us", "3"], env)).toMatchObject({
      pollUs: 3,
      logLevel: "warning",
      outputs: [{ width: 32, height: 32 }],
      displayTimeoutMs: 2000,
    });
  });

  test("the environment can name the file, a flag another", () => {
    expect(serve([], { FENCEPOST_CONFIG: path() }).pollUs).toBe(1);
    expect(serve(["--config", file({ pollUs: 9 })], { FENCEPOST_CONFIG: path() }).pollUs).toBe(9);
  });

  test("a host's own file is read where no other is named, and need not be there", () => {
    const own = (args: string[], env: Env = {}, path = file({ pollUs: 11 })) =>
      parseCommandLine(args, env, "/", path) as { config: ServerConfig };
    expect(own([]).config.pollUs).toBe(11);
    expect(own([], { FENCEPOST_CONFIG: "" }).config.pollUs).toBe(11);
    expect(own(["--config", file({ logLevel: "error" })]).config.pollUs).toBe(0);
    expect(own(["--config", "/dev/null"]).config.pollUs).toBe(0);
    expect(own([], {}, "/nonexistent.json").config.pollUs).toBe(0);
    expect(() => own([], {}, file("{"))).toThrow("cannot read the settings in ");
  });

  test("a mistake of a source that another beats is not made", () => {
    expect(serve(["--poll-us", "3"], { FENCEPOST_POLL_US: "nonsense" }).pollUs).toBe(3);
  });

  test("a switch of the file can be taken back in the environment", () => {
    expect(serve(["--config", file({ once: true })], { FENCEPOST_ONCE: "0" }).once).toBe(false);
  });
});

describe("what follows from others", () => {
  test("the control socket lies beside the socket unless it is named", () => {
    expect(serve(["--socket-path", "/run/a.sock"]).controlPath).toBe("/run/a.sock.ctl");
    expect(serve(["--socket-path", "/run/a.sock", "--control-path", "/b"]).controlPath).toBe("/b");
  });

  test("a server on an inherited socket has a control socket of its own", () => {
    const config = serve(["--fd", "3"]);
    expect(config.controlPath).toContain(String(process.pid));
    expect(config.controlPath).not.toBe(`${config.socketPath}.ctl`);
  });

  test("--dev checks messages and logs everything", () => {
    expect(serve(["--dev"])).toMatchObject({ checkMessages: true, logLevel: "debug" });
    expect(serve(["--dev", "--log-level", "error"]).logLevel).toBe("debug");
    expect(serve([], { FENCEPOST_CHECK_MESSAGES: "1" })).toMatchObject({
      checkMessages: true,
      logLevel: "info",
    });
  });
});

describe("mistakes", () => {
  test("every one of them is named", () => {
    const message = mistake(
      ["--poll-us", "x", "--renderer", "y", "--config", file({ resourcesMax: -1, colour: "red" })],
      {
        FENCEPOST_LOG_LEVEL: "z",
      },
    );
    for (const origin of [
      "--poll-us: ",
      "--renderer: ",
      '"resourcesMax" in the file: ',
      "FENCEPOST_LOG_LEVEL: ",
    ]) {
      expect(message).toContain(origin);
    }
    expect(message).toContain('"colour" in the file is no setting\n');
    expect(message).toEndWith("See --help.");
  });

  test("a key that is written as its flag is told how it is written in a file", () => {
    for (const key of ["storage-bytes-max", "--storage-bytes-max"])
      expect(mistake(["--config", file({ [key]: "2G" })])).toStartWith(
        `"${key}" in the file is no setting: it is "storageBytesMax" there\n`,
      );
  });

  test("a file that is not named on the command line is named by its path", () => {
    const path = file({ pollUs: "x", colour: "red" });
    for (const read of [
      () => parseCommandLine([], {}, "/", path),
      () => parseCommandLine([], { FENCEPOST_CONFIG: path }),
    ]) {
      expect(read).toThrow(`"pollUs" in ${path}: want `);
      expect(read).toThrow(`"colour" in ${path} is no setting`);
    }
  });

  test("keys that every object has are no settings", () => {
    expect(mistake(["--config", file('{"constructor": 1, "toString": 2}')])).toContain(
      '"constructor" in the file',
    );
  });

  test("every value that makes no sense is told what is wanted, in words of ours", () => {
    const nonsense = ["", "x", "-1", -1, 1.5, 1e300, null, {}, [], [5], true, ["/a", "/a"]];
    const many = Array.from({ length: 17 }, (_, at) => `/${at}`);
    const sentence =
      /^".*" in the file: (want |an output has |there is no group |the path of a socket has |XDG_RUNTIME_DIR )[^:]*(: \/.*)?$/;
    let refused = 0;
    for (const name of Object.keys(settings)) {
      for (const value of [...nonsense, many, many.join()]) {
        const said = mistake(["--config", file({ [name]: value })]);
        if (said === "no mistake") continue;
        refused++;
        const [line, rest] = said.split("\n");
        expect(line).toMatch(sentence);
        expect(rest).toBe("See --help.");
      }
    }
    expect(refused).toBeGreaterThan(Object.keys(settings).length * 5);
  });

  test("a number is told the range that it may have", () => {
    expect(mistake(["--resources-max", "0"])).toStartWith(
      "--resources-max: want a whole number from 1 to 1048576\n",
    );
    expect(mistake(["--poll-us=-1"])).toStartWith("--poll-us: want a whole number from 0 to 10000\n");
  });

  test("a window of host memory has the size of a PCI BAR", () => {
    const sizes = ["0", "4096", "4K", "256M", "8G"].map((one) => serve(["--host-memory", one]).hostMemory);
    expect(sizes).toEqual([0, 4096, 4096, 2 ** 28, 2 ** 33]);
    expect(serve([]).hostMemory).toBe(2 ** 28);
    for (const wrong of ["1", "2048", "3G", "5000"]) {
      expect(mistake(["--host-memory", wrong])).toStartWith(
        "--host-memory: want a power of two from 4K to 8G, or 0\n",
      );
    }
    expect(mistake(["--host-memory", "16G"])).toStartWith("--host-memory: want bytes");
  });

  test("a value that begins with a dash is told how it is written", () => {
    expect(mistake(["--poll-us", "-1"])).toBe(
      "Option '--poll-us' has no value: one that begins with a dash is written --poll-us=-…. See --help.",
    );
    expect(mistake(["-s", "-a"])).toContain("is written -s-…");
    expect(serve(["-s-a"]).socketPath).toEndWith("/-a");
  });

  test("a file that is no object is told what is wanted", () => {
    for (const text of ["[]", "null", "1"]) {
      expect(mistake(["--config", file(text)])).toEndWith('want one JSON object, such as {"pollUs": 20}');
    }
    expect(mistake(["--config", ""])).toStartWith("--config: want a path");
  });

  test("an unknown flag, a flag without its value and a stray word are named", () => {
    expect(mistake(["--colour"])).toContain("'--colour'");
    expect(mistake(["--poll-us"])).toContain("--poll-us");
    expect(mistake(["--once=1"])).toContain("--once");
    expect(mistake(["stray"])).toContain("'stray'");
  });

  test("a file that cannot be read or makes no sense is named", () => {
    expect(mistake(["--config", "/nonexistent.json"])).toContain("/nonexistent.json");
    for (const text of ["not json", "[]", "1", "null"]) {
      const path = file(text);
      expect(mistake(["--config", path])).toStartWith(`cannot read the settings in ${path}: `);
    }
  });
});

describe("help", () => {
  const help = helpText("fencepost");

  test("every setting has its flag, and its default where it has one", () => {
    for (const name of Object.keys(serve([]))
      .filter((key) => key !== "checkMessages")
      .concat("config")) {
      const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      expect(help).toMatch(new RegExp(`^  (?:-\\w, )?${flag}\\b`, "m"));
    }
    for (const shown of ["(default: 1280x800)", "(default: 65536)", "(default: auto)", "(default: info)"]) {
      expect(help).toContain(shown);
    }
  });

  test("short flags, other flags and exit codes are told", () => {
    for (const shown of [
      "-s, --socket-path PATH",
      "-f, --fd N",
      "-h, --help",
      "-V, --version",
      "--print-capabilities",
      "--virgl",
      "Exit codes:",
      "FENCEPOST_",
    ]) {
      expect(help).toContain(shown);
    }
    // Exactly those that the server can end with.
    const codes = help.slice(help.indexOf("Exit codes:")).match(/\b\d(?= )/g);
    expect(codes).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("lines are short enough for a terminal", () => {
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });
});

describe("a compositor", () => {
  const session = { XDG_RUNTIME_DIR: "/run/user/7", WAYLAND_DISPLAY: "wayland-3" };
  const before = Object.fromEntries(Object.keys(session).map((name) => [name, process.env[name]]));
  beforeAll(() => Object.assign(process.env, session));
  afterAll(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  test.each([
    [[], undefined],
    [["--wayland"], "/run/user/7/wayland-3"],
    [["--wayland=wayland-1"], "/run/user/7/wayland-1"],
    [["--wayland=/tmp/compositor"], "/tmp/compositor"],
    [["--wayland=0"], undefined],
  ])("%p is %p", (args, path) => {
    expect(serve(args).wayland).toBe(path!);
  });

  test("whose path no socket can have is a mistake", () => {
    expect(mistake([`--wayland=/${"x".repeat(107)}`])).toContain("at most 107 bytes");
    expect(serve([`--wayland=/${"x".repeat(106)}`]).wayland).toHaveLength(107);
  });
});
