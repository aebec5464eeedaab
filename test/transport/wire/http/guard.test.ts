// Who may look.

import { describe, expect, test } from "bun:test";
import { Guard } from "../../../../src/transport/wire/http/guard.ts";

const guard = new Guard(new Int32Array(4), "127.0.0.1", 8088);
const token = new URL(guard.url).searchParams.get("token")!;

const codeOf = (path: string, headers: Record<string, string>, of = guard): number | null =>
  of.check(new Request(`http://127.0.0.1:8088${path}`, { headers: { host: "127.0.0.1:8088", ...headers } }))
    ?.status ?? null;

describe("somebody with the token", () => {
  test("is led nowhere else by it", () => {
    const led = (path: string): string | null =>
      guard
        .check(
          new Request(`http://127.0.0.1:8088${path}?token=${token}`, { headers: { host: "localhost:8088" } }),
        )!
        .headers.get("location");
    expect(led("//evil.example/")).toBe("/evil.example/");
    expect(led("/.//evil.example/")).toBe("/evil.example/");
    expect(led("/\\\\evil.example/")).toBe("/evil.example/");
  });

  test("has no page of the same host's other ports ask in their name, and may follow a link of one", () => {
    const asked = { cookie: `fencepost-8088=${token}`, "sec-fetch-site": "same-site" };
    expect(codeOf("/api/picture?res=1", { ...asked, "sec-fetch-dest": "image" })).toBe(403);
    expect(codeOf("/", { ...asked, "sec-fetch-dest": "iframe" })).toBe(403);
    expect(codeOf("/api/trace", { ...asked, "sec-fetch-dest": "empty" })).toBe(403);
    expect(codeOf("/", { ...asked, "sec-fetch-dest": "document" })).toBe(null);
    expect(
      codeOf("/api/actors", { ...asked, "sec-fetch-site": "same-origin", "sec-fetch-dest": "empty" }),
    ).toBe(null);
    expect(codeOf("/", { ...asked, "sec-fetch-site": "none", "sec-fetch-dest": "document" })).toBe(null);
  });

  test("is given a cookie that no script reads and no other site sends, and a URL without it", () => {
    const response = guard.check(
      new Request(`${guard.url}&view=actors`, { headers: { host: "127.0.0.1:8088" } }),
    )!;
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toBe("/?view=actors");
    const cookie = response.headers.get("set-cookie")!;
    expect(cookie).toBe(`fencepost-8088=${token}; Path=/; HttpOnly; SameSite=Strict`);
    expect(codeOf("/", { cookie: `other=1; ${cookie.split(";")[0]}` })).toBe(null);
  });

  test("may send it in a header", () => {
    expect(codeOf("/metrics", { authorization: `Bearer ${token}` })).toBe(null);
    expect(codeOf("/metrics", { authorization: `Bearer ${token}`, host: "localhost:8088" })).toBe(null);
  });

  test("is refused to another site's page, and by another name of this host", () => {
    const authorization = `Bearer ${token}`;
    expect(codeOf("/feed", { authorization, origin: "http://127.0.0.1:8088" })).toBe(null);
    expect(codeOf("/feed", { authorization, origin: "http://evil.example" })).toBe(403);
    expect(codeOf("/feed", { authorization, origin: "null" })).toBe(403);
    expect(codeOf("/", { authorization, host: "evil.example:8088" })).toBe(421);
    expect(codeOf("/", { authorization, host: "127.0.0.1:80" })).toBe(421);
  });
});

test("nobody else may look", () => {
  expect(codeOf("/", {})).toBe(401);
  expect(codeOf("/?token=", {})).toBe(401);
  expect(codeOf(`/?token=${token.slice(1)}0`, {})).toBe(401);
  expect(codeOf("/", { cookie: "fencepost-8088=" })).toBe(401);
  expect(codeOf("/", { cookie: `fencepost-8089=${token}` })).toBe(401);
});

test("a successor has the same token, another server has not", () => {
  const words = new Int32Array(4);
  expect(new Guard(words, "::1", 1).url).toBe(new Guard(words, "::1", 1).url);
  expect(new Guard(words, "::1", 1).url).toStartWith("http://[::1]:1/?token=");
  expect(new Guard(new Int32Array(4), "::1", 1).url).not.toBe(new Guard(words, "::1", 1).url);
});

test("is reached as a browser writes the address, and without port 80, which that leaves out", () => {
  for (const [hostname, port, host] of [
    ["127.0.0.1", 80, "127.0.0.1"],
    ["0:0::0:1", 8088, "[::1]:8088"],
    ["Gpu.Example", 8088, "gpu.example:8088"],
    ["::", 80, "[::ffff:192.0.2.7]"],
    ["0.0.0.0", 80, "192.0.2.7"],
  ] as const) {
    const one = new Guard(new Int32Array(4), hostname, port);
    const authorization = `Bearer ${new URL(one.url).searchParams.get("token")}`;
    expect([host, codeOf("/", { authorization, host, origin: `http://${host}` }, one)]).toEqual([host, null]);
  }
});

test("who listens everywhere is reached by every address, and by no name", () => {
  const everywhere = new Guard(new Int32Array(4), "0.0.0.0", 8088);
  const authorization = `Bearer ${new URL(everywhere.url).searchParams.get("token")}`;
  expect(codeOf("/", { authorization, host: "192.0.2.7:8088" }, everywhere)).toBe(null);
  expect(codeOf("/", { authorization, host: "evil.example:8088" }, everywhere)).toBe(421);
});
