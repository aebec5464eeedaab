// The log's last step: what an actor says becomes one line of standard error, whatever a peer has put into it.
import { afterAll, expect, test } from "bun:test";
import { readSync } from "node:fs";
import { TextOutput } from "../../../src/actors/supervisor/log-output.ts";
import { LogSink } from "../../../src/actors/supervisor/log-sink.ts";
import { libc, O_CLOEXEC } from "../../../src/ffi/libc.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { PatientWriter } from "../../../src/transport/os/patient-writer.ts";

const pipe = new Int32Array(2);
libc.pipe2(pipe, O_CLOEXEC);
afterAll(() => pipe.forEach(closeFd));

const sink = new LogSink("info", new TextOutput(new PatientWriter(pipe[1]!)));

function written(): string {
  const bytes = Buffer.alloc(65536);
  return bytes.toString("utf8", 0, readSync(pipe[0]!, bytes));
}

test("a line is one line, and acts on no terminal", () => {
  sink.write(
    "warning",
    "display",
    "the compositor reports: \x1b]0;mine\x07\n00:00:00.000 error   supervisor: forged",
  );
  expect(written()).toMatch(
    /^[\d:.]{12} warning display: the compositor reports: \\x1b\]0;mine\\x07\\x0a00:00.*forged\n$/,
  );
});

test("a line has an end, however much a peer says", () => {
  sink.write("error", "display", `it says ${"x".repeat(60_000)}`);
  const text = written();
  expect(text).toMatch(/^[\d:.]{12} error   display: it says x+ …\n$/);
  expect(text.length).toBeLessThan(1100);
});

test("what lies below the level is not written", () => {
  sink.write("debug", "display", "a detail");
  sink.write("info", "display", "news");
  expect(written()).toMatch(/^[\d:.]{12} info    display: news\n$/);
});
