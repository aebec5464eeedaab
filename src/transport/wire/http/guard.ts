// Who may look: whoever has the token, by this address, and from no other site's page.

import { randomBytes, timingSafeEqual } from "node:crypto";

const tokenBytes = 16;

export class Guard {
  private readonly token: string;

  /** `words` has room for the token, which a successor goes on with; all zero at first. */
  constructor(
    words: Int32Array,
    private readonly hostname: string,
    private readonly port: number,
  ) {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, tokenBytes);
    if (bytes.every((byte) => byte === 0)) bytes.set(randomBytes(tokenBytes));
    this.token = Buffer.from(bytes).toString("hex");
  }

  /** What a person opens. */
  get url(): string {
    return `http://${bracketed(this.hostname)}:${this.port}/?token=${this.token}`;
  }

  /** The response to a request that may not go on; null where it may. */
  check(request: Request): Response | null {
    const host = request.headers.get("host") ?? "";
    // A name of another site that leads here would bring that site's pages along.
    if (!this.isOurs(host)) return new Response("this is not the host that you asked for\n", { status: 421 });
    const origin = request.headers.get("origin");
    if ((origin !== null && origin !== `http://${host}`) || isForeign(request.headers)) {
      return new Response("another site's page may not ask this\n", { status: 403 });
    }
    const url = new URL(request.url);
    const given = url.searchParams.get("token");
    if (given !== null && this.isToken(given)) return this.welcome(url);
    if (this.isToken(this.cookieOf(request)) || this.isToken(bearerOf(request))) return null;
    return new Response("open the URL with the token that the server has logged\n", { status: 401 });
  }

  /** Has the browser keep the token, and forget the URL that has it. */
  private welcome(url: URL): Response {
    url.searchParams.delete("token");
    return new Response(null, {
      status: 303,
      headers: {
        // Two slashes would lead to another host.
        location: `${url.pathname.replace(/^\/+/, "/")}${url.search}`,
        "set-cookie": `${this.cookie}=${this.token}; Path=/; HttpOnly; SameSite=Strict`,
      },
    });
  }

  private isOurs(host: string): boolean {
    const names = [bracketed(this.hostname), "localhost"].map((name) => `${name}:${this.port}`);
    // A browser writes an address in its own way, and leaves out port 80.
    if (names.some((name) => host === name || host === new URL(`http://${name}`).host)) return true;
    // Who listens everywhere is reached by many addresses, but by no name that somebody else gives them.
    const isEverywhere = this.hostname === "0.0.0.0" || this.hostname === "::";
    return isEverywhere && /^(?:\d+\.\d+\.\d+\.\d+|\[[\da-f:.]+\])(?::\d+)?$/i.test(host);
  }

  private isToken(given: string): boolean {
    const [ours, theirs] = [Buffer.from(this.token), Buffer.from(given)];
    return ours.length === theirs.length && timingSafeEqual(ours, theirs);
  }

  private cookieOf(request: Request): string {
    const all = (request.headers.get("cookie") ?? "").split(/; */).map((one) => one.split("="));
    return all.find(([name]) => name === this.cookie)?.[1] ?? "";
  }

  /** Cookies are shared by all ports of a host. */
  private get cookie(): string {
    return `fencepost-${this.port}`;
  }
}

/** Whether a browser asks for another site's page, be it one of this host: for that alone it sends the cookie along. */
function isForeign(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site") ?? "none";
  // A link may lead here: what is opened then is no part of the page that has it.
  return site !== "none" && site !== "same-origin" && headers.get("sec-fetch-dest") !== "document";
}

const bearerOf = (request: Request): string =>
  /^Bearer (\w+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";

const bracketed = (hostname: string): string => (hostname.includes(":") ? `[${hostname}]` : hostname);
