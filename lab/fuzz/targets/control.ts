// Clients of the control socket: lines that are no JSON, no request, or one with a field that makes no sense.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Chance, mutated, odd, oneIn, pick, word } from "../chance.ts";
import { RawConnection } from "../raw-connection.ts";
import type { Attack, Place, Target } from "../target.ts";

const clientsMax = 4;
/** Lines after which the answers are waited for. */
const together = 16;
const lineFeed = 10;
const texts = [
  "",
  "1280x800",
  "0=off",
  "0=on",
  "1=640x480,0=on",
  "off",
  "0x0",
  "99=1x1",
  "info",
  "error",
  "é\u0000",
];

export const control: Target = {
  name: "control",
  about: "a line on the control socket",
  batch: 4_000,
  flags: (directory) => {
    // What is asked for is written to where it does no harm.
    mkdirSync(join(directory, "files"));
    return ["--renderer", "software", "--vulkan", "off", "--scanouts", "2"];
  },
  begin: (place) => new ControlAttack(place),
};

class ControlAttack implements Attack {
  private readonly clients: (Client | null)[] = Array.from({ length: clientsMax }, () => null);
  private inputs = 0;

  constructor(private readonly place: Place) {}

  async input(chance: Chance): Promise<void> {
    const at = chance(clientsMax);
    let client = this.clients[at]!;
    if (client === null || client.connection.isClosed) {
      client = new Client(await RawConnection.open({ path: this.place.server.controlPath }));
      this.clients[at] = client;
    }
    client.send(this.line(chance));
    if (++this.inputs % together === 0) for (const one of this.clients) await one?.settle();
    // Some go without waiting for what they asked.
    if (!oneIn(chance, 300)) return;
    client.connection.close();
    this.clients[at] = null;
  }

  async end(): Promise<void> {
    for (const client of this.clients) {
      await client?.settle();
      client?.connection.close();
    }
    // Whoever comes next finds it as it was.
    for (const command of ["record-stop", "trace-stop"]) await this.place.server.control({ command });
    await this.place.server.control({ command: "outputs-set", outputs: "0=1280x800,1=off" });
    await this.place.server.control({ command: "log-level", level: "info" });
  }

  private line(chance: Chance): Uint8Array {
    if (oneIn(chance, 4)) return Buffer.from(`${JSON.stringify(this.ofFile(chance))}\n`);
    const text = Buffer.from(`${JSON.stringify(this.request(chance))}\n`);
    return oneIn(chance, 3) ? mutated(chance, text, oneIn(chance, 200) ? 2 ** 18 : 4096) : text;
  }

  /** What writes a file: no byte of its path is left to chance. */
  private ofFile(chance: Chance): unknown {
    const files = join(this.place.directory, "files");
    const path = pick(chance, [
      join(files, "a"),
      files,
      join(files, "no", "b"),
      "/dev/full",
      "/dev/null",
      "relative",
      "",
    ]);
    const command = pick(chance, ["screenshot", "trace-start", "record-start"]);
    return { command, path: oneIn(chance, 10) ? this.value(chance) : path, scanout: odd(chance, chance(2)) };
  }

  private request(chance: Chance): unknown {
    const command = pick(chance, [
      "status",
      "inspector",
      "trace-stop",
      "record-stop",
      "outputs",
      "outputs-set",
      "outsider",
      "log-level",
    ]);
    const fields: Record<string, unknown> = { command: oneIn(chance, 20) ? this.value(chance) : command };
    if (command === "outputs-set") fields["outputs"] = pick(chance, texts);
    if (command === "outsider")
      Object.assign(fields, { name: pick(chance, texts), state: "x", counters: { a: odd(chance, 1) } });
    if (command === "log-level") fields["level"] = pick(chance, ["info", "warning", "error", "loud", 1]);
    if (oneIn(chance, 6))
      fields[pick(chance, ["name", "outputs", "level", "state", "__proto__"])] = this.value(chance);
    return fields;
  }

  private value(chance: Chance): unknown {
    const values = [null, true, word(chance), -1.5, 1e308, [], {}, [[[]]], { a: null }, pick(chance, texts)];
    // A relative path, or none, is refused before anything is written.
    return oneIn(chance, 20) ? "x".repeat(chance(70_000)) : pick(chance, values);
  }
}

class Client {
  private sent = 0;

  constructor(readonly connection: RawConnection) {}

  send(line: Uint8Array): void {
    for (const byte of line) if (byte === lineFeed) this.sent++;
    this.connection.write(line);
  }

  /** Each line has its answer. */
  settle(): Promise<void> {
    return this.connection.until(() => this.connection.lines >= this.sent, "answers on the control socket");
  }
}
