// A request's bytes as filters see a command: looked at in place, so that nothing is made for each.

import type { FieldValue } from "../../../../transport/wire/virtio-gpu/decode.ts";
import { fieldAt, requestName } from "../../../../transport/wire/virtio-gpu/decode.ts";
import { Header, HeaderFlag, Response } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Filterable } from "../../../command-filter.ts";
import type { ContextTable } from "../../model/contexts.ts";
import type { WorkerName } from "../../../registry.ts";
import { requestBytesMax } from "../../../runtime/tap/layout.ts";

/** Types whose layout is remembered: a guest can invent as many as it likes. */
const typesMax = 64;

export class RequestView implements Filterable {
  number = 0;
  /** The type of its answer, 0 while it has none. */
  response = 0;
  ranNs = 0;
  waitedNs = 0;
  /** What a stream writes nobody knows before it runs. */
  readonly writes = [];
  private words: Uint32Array = new Uint32Array(0);
  private length = 0;
  private readonly names = new Map<number, string>();
  private readonly places = new Map<string, Map<number, number>>();

  /** `contexts` has their names. */
  constructor(
    readonly queue: WorkerName,
    private readonly contexts: Pick<ContextTable, "get">,
  ) {}

  /** Looks at a request of `length` bytes, which has no answer yet. */
  of(words: Uint32Array, length: number, number: number): this {
    this.words = words;
    this.length = length;
    this.number = number;
    this.response = this.ranNs = this.waitedNs = 0;
    return this;
  }

  get type(): string {
    if (this.length < 4) return "nothing";
    const type = this.words[0]!;
    const known = this.names.get(type);
    if (known !== undefined) return known;
    const name = requestName(type);
    if (this.names.size < typesMax) this.names.set(type, name);
    return name;
  }

  get contextName(): string {
    return this.length < Header.bytes
      ? ""
      : (this.contexts.get(this.words[Header.contextId / 4]!)?.name ?? "");
  }

  get isFenced(): boolean {
    return this.length >= Header.bytes && (this.words[Header.flags / 4]! & HeaderFlag.FENCE) !== 0;
  }

  get isError(): boolean {
    return this.response >= Response.ERR_UNSPEC;
  }

  field(name: string): FieldValue | undefined {
    if (name === "fenceId") return this.isFenced ? this.fence : undefined;
    const at = this.placeOf(name);
    return at >= 0 && at + 4 <= this.length ? this.words[at / 4]! : undefined;
  }

  /** A copy of it, or of as much as the tap tells. */
  bytes(): Uint8Array<ArrayBuffer> {
    return bytesOf(this.words, Math.min(this.length, requestBytesMax));
  }

  /** As the decoder tells it: a number where it can be one. */
  private get fence(): FieldValue {
    const [low, high] = [this.words[Header.fenceId / 4]!, this.words[Header.fenceId / 4 + 1]!];
    if (high < 0x20_0000) return high * 2 ** 32 + low;
    return `0x${high.toString(16)}${low.toString(16).padStart(8, "0")}`;
  }

  private placeOf(name: string): number {
    const type = this.words[0]!;
    let places = this.places.get(name);
    if (places === undefined) this.places.set(name, (places = new Map<number, number>()));
    const known = places.get(type);
    if (known !== undefined) return known;
    const at = fieldAt(type, name);
    if (places.size < typesMax) places.set(type, at);
    return at;
  }
}

/** A copy of the first `length` bytes of a request. */
export const bytesOf = (words: Uint32Array, length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(words.buffer, words.byteOffset, length).slice();
