// A running server's inspector, as who may use its control socket reaches it: by JSON, and by the feed.

import { Unpackr } from "msgpackr";
import type { Batch, PageRequest } from "../actors/inspector/feed.ts";
import { ask } from "./control-client.ts";

const answerTimeoutMs = 15_000;

export type Taker = (batch: Batch, say: (request: PageRequest) => void) => void;

export class InspectorClient {
  private readonly headers: Record<string, string>;

  private constructor(private readonly url: URL) {
    this.headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  }

  /** Throws where the server, or its inspector, is not there. */
  static async find(controlPath: string): Promise<InspectorClient> {
    // The token is nobody else's business, whatever the environment says of proxies.
    process.env["NO_PROXY"] = process.env["no_proxy"] = "*";
    const { url } = await ask(controlPath, { command: "inspector" });
    return new InspectorClient(new URL(url as string));
  }

  /** The records of a view. */
  async get<T>(path: string): Promise<T> {
    const response = await this.fetch(path);
    const answer = (await response.json()) as T & { error?: string };
    if (!response.ok) throw new Error(answer.error ?? `the inspector answers ${response.status}`);
    return answer;
  }

  /**
   * Gives `take` the batches of what `requests` ask for, until the inspector goes or `end` aborts; it may say more. Throws
   * where nobody is let in.
   */
  async follow(requests: readonly PageRequest[], take: Taker, end: AbortSignal): Promise<void> {
    const url = new URL("/feed", this.url);
    url.protocol = "ws:";
    const socket = new WebSocket(url, { headers: this.headers } as never);
    socket.binaryType = "arraybuffer";
    const unpackr = new Unpackr({ useRecords: true, sequential: true });
    const closed = Promise.withResolvers<void>();
    const say = (request: PageRequest): void => void socket.send(JSON.stringify(request));
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      requests.forEach(say);
    };
    socket.onmessage = ({ data }) => take(unpackr.unpack(new Uint8Array(data as ArrayBuffer)) as Batch, say);
    socket.onclose = () => closed.resolve();
    const stop = (): void => {
      socket.close();
      closed.resolve();
    };
    end.addEventListener("abort", stop);
    if (end.aborted) stop();
    await closed.promise;
    end.removeEventListener("abort", stop);
    if (wasOpen || end.aborted) return;
    // A socket does not say why it was refused; upgradeRequired is that it would not have been.
    const refused = await this.fetch("/feed");
    const upgradeRequired = 426;
    if (refused.status !== upgradeRequired) throw new Error((await refused.text()).trimEnd());
  }

  private async fetch(path: string): Promise<Response> {
    const signal = AbortSignal.timeout(answerTimeoutMs);
    try {
      return await fetch(new URL(path, this.url), { headers: this.headers, signal });
    } catch (error) {
      throw new Error(`the inspector does not answer: ${(error as Error).message}`, { cause: error });
    }
  }
}
