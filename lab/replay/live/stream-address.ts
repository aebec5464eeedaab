// Where a server streams what it records: the URL that it logs for its page, with the token.

import { UsageError } from "../../../src/config-arguments.ts";

export interface StreamAddress {
  readonly url: string;
  readonly token: string;
}

/** Throws a {@link UsageError}. */
export function readStreamAddress(text: string, checksums: boolean): StreamAddress {
  const wanted = "want the URL that the server has logged, with its token";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--from ${text}: ${wanted}`);
  }
  const token = url.searchParams.get("token") ?? "";
  // What is no token's is no part of a header.
  if (!/^https?:$/.test(url.protocol) || !/^\w+$/.test(token))
    throw new UsageError(`--from ${text}: ${wanted}`);
  const from = new URL("/api/record", url.origin);
  if (checksums) from.searchParams.set("checksums", "1");
  return { url: from.href, token };
}
