// The log's last step: what an actor says becomes one line of standard error, whatever a peer has put into it.
import { reset } from "@logtape/logtape";
import { afterAll, expect, test } from "bun:test";
import { readSync } from "node:fs";
import { openLogSink } from "../../../src/actors/supervisor/log-sink.ts";
import { libc, O_CLOEXEC } from "../../../src/ffi/libc.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { PatientWriter } from "../../../src/transport/os/patient-writer.ts";

const pipe = new Int32Array(2);
libc.pipe2(pipe, O_CLOEXEC);
afterAll(async () => {
  await reset();
  pipe.forEach(closeFd);
});

test("a line is one line, and acts on no terminal", async () => {
  const sink = await openLogSink("info", new PatientWriter(pipe[1]!));
  sink.write(
    "warning",
    "display",
    "the compositor reports: \x1b]0;mine\x07\n00:00:00.000 error   supervisor: forged",
  );

  const bytes = Buffer.alloc(4096);
  const text = bytes.toString("utf8", 0, readSync(pipe[0]!, bytes));
  expect(text).toMatch(
    /^[\d:.]{12} warning display: the compositor reports: \\x1b\]0;mine\\x07\\x0a00:00.*forged\n$/,
  );
});
