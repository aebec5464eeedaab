// Perfetto's trace_processor, as its UI has it, for questions in SQL to a trace of ours. scripts/fetch-perfetto.sh brings it.
//
// The bundle is made for a web worker: it is given the little of one that it looks for. Its protocol is
// perfetto/trace_processor/trace_processor.proto.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { PbfReader, PbfWriter } from "pbf";

const folder = join(import.meta.dir, "../../.cache/perfetto");
/** What the bridge takes at once. */
const pieceBytes = 16 * 1024 * 1024;

const Stream = { message: 1 } as const;
const Rpc = {
  sequence: 1,
  request: 2,
  fatal: 5,
  append: 101,
  query: 103,
  appended: 201,
  result: 203,
} as const;
const Method = { append: 1, finalize: 2, query: 3, reset: 11 } as const;
const Result = { column: 1, error: 2, batch: 3 } as const;
const Batch = { cells: 1, varints: 2, doubles: 3, strings: 5 } as const;
const Cell = { null: 1, varint: 2, double: 3, text: 4 } as const;

export type Row = Record<string, number | string | null>;

interface Port {
  onmessage: (event: { data: Uint8Array }) => void;
  postMessage: (bytes: Uint8Array) => void;
}

/** What the bundle asks for its WebAssembly with. */
class LocalRequest {
  responseType = "";
  status = 200;
  response: ArrayBuffer | null = null;
  onload: (() => void) | null = null;
  private name = "";

  open(_method: string, name: string): void {
    this.name = name;
  }

  send(): void {
    this.response = new Uint8Array(readFileSync(join(folder, this.name))).buffer;
    this.onload?.();
  }
}

/** It takes a second to start, and is used again. */
let running: Promise<Port> | null = null;

export class TraceProcessor {
  private sequence = 0;
  private replies: Uint8Array[] = [];

  private constructor(private readonly port: Port) {
    port.postMessage = (bytes) => this.replies.push(bytes);
  }

  /** One that has read a trace, in place of the one before. Of bytes that are none, the first query says so. */
  static async read(trace: Uint8Array): Promise<TraceProcessor> {
    const processor = new TraceProcessor(await (running ??= start()));
    processor.call(Method.reset, () => {});
    for (let at = 0; at < trace.length; at += pieceBytes) {
      const piece = trace.subarray(at, at + pieceBytes);
      processor.call(Method.append, (pbf) => pbf.writeBytesField(Rpc.append, piece));
    }
    processor.call(Method.finalize, () => {});
    return processor;
  }

  /** The rows of the answer to one statement. Throws what it says of a mistake. */
  query(sql: string): Row[] {
    const replies = this.call(Method.query, (pbf) =>
      pbf.writeMessage(Rpc.query, (text: string, inner: PbfWriter) => inner.writeStringField(1, text), sql),
    );
    const columns: string[] = [];
    const values: Row[string][] = [];
    for (const reply of replies) readResult(reply, columns, values);
    return Array.from({ length: values.length / Math.max(1, columns.length) }, (_, row) =>
      Object.fromEntries(columns.map((name, column) => [name, values[row * columns.length + column]!])),
    );
  }

  private call(method: number, write: (pbf: PbfWriter) => void): Uint8Array[] {
    const pbf = new PbfWriter();
    pbf.writeMessage(
      Stream.message,
      (_: null, inner: PbfWriter) => {
        inner.writeVarintField(Rpc.sequence, this.sequence++);
        inner.writeVarintField(Rpc.request, method);
        write(inner);
      },
      null,
    );
    this.replies = [];
    this.port.onmessage({ data: pbf.finish() });
    return this.replies;
  }
}

/** Starts the bundle, which compiles its WebAssembly at once and is ready a turn later. */
async function start(): Promise<Port> {
  const worker: { location: { href: string }; onmessage?: (event: { data: Port }) => void } = {
    location: { href: "engine_bundle.js" },
  };
  const quiet = { log: () => {}, warn: () => {}, error: () => {} };
  const globals = {
    ...{ self: worker, WorkerGlobalScope: class {}, XMLHttpRequest: LocalRequest, console: quiet },
    ...{ Uint8Array, TypeError, WebAssembly, TextDecoder, TextEncoder, URL, performance, crypto, setTimeout },
  };
  runInNewContext(readFileSync(join(folder, "engine_bundle.js"), "utf8"), globals);
  const port = {} as Port;
  worker.onmessage!({ data: port });
  await new Promise((resolve) => setImmediate(resolve));
  return port;
}

function readResult(reply: Uint8Array, columns: string[], values: Row[string][]): void {
  inside(reply, (tag, stream) => {
    if (tag !== Stream.message) return;
    inside(stream.readBytes(), (field, rpc) => {
      if (field === Rpc.fatal) throw new Error(rpc.readString());
      if (field !== Rpc.result) return;
      inside(rpc.readBytes(), (part, result) => {
        if (part === Result.column) columns.push(result.readString());
        else if (part === Result.error) throw new Error(result.readString());
        else if (part === Result.batch) readBatch(result.readBytes(), values);
      });
    });
  });
}

function readBatch(bytes: Uint8Array, values: Row[string][]): void {
  const cells: number[] = [];
  const varints: number[] = [];
  const doubles: number[] = [];
  let strings: string[] = [];
  inside(bytes, (tag, pbf) => {
    if (tag === Batch.cells) pbf.readPackedVarint(cells);
    else if (tag === Batch.varints) pbf.readPackedVarint(varints, true);
    else if (tag === Batch.doubles) pbf.readPackedDouble(doubles);
    else if (tag === Batch.strings) strings = pbf.readString().split("\0");
  });
  for (const cell of cells) {
    if (cell === Cell.varint) values.push(varints.shift()!);
    else if (cell === Cell.double) values.push(doubles.shift()!);
    else if (cell === Cell.text) values.push(strings.shift()!);
    else values.push(null);
  }
}

const inside = (bytes: Uint8Array, read: (tag: number, pbf: PbfReader) => void): void =>
  void new PbfReader(bytes).readFields((tag, _, pbf) => read(tag, pbf), null);
