// The page's files: made in memory when it is first opened, and served with what keeps it to itself.

import page from "./page/index.html";

/** Everything comes from us; no script or style stands in the page's text, so none that a guest names can. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

export class PageFiles {
  private files: Promise<ReadonlyMap<string, Blob>> | null = null;

  /** The response to a GET of `path`; null where the page has no such file. */
  async get(path: string): Promise<Response | null> {
    const files = await (this.files ??= built());
    const file = files.get(path === "/" ? "/index.html" : path);
    return file === undefined
      ? null
      : new Response(file, { headers: { ...headers, "content-type": file.type } });
  }
}

/** What the page is in an executable: made there already, as files inside. */
interface Made {
  readonly files?: readonly { readonly path: string; readonly loader: string }[];
}

/** By their paths in URLs. Bun's own routes for such an import would not ask the guard. */
async function built(): Promise<Map<string, Blob>> {
  const { files } = page as Made;
  if (files !== undefined) {
    const urlOf = (path: string, loader: string): string =>
      loader === "html" ? "/index.html" : path.slice(path.lastIndexOf("/"));
    return new Map(files.map(({ path, loader }) => [urlOf(path, loader), Bun.file(path)]));
  }
  const { outputs } = await Bun.build({
    entrypoints: [page.index],
    target: "browser",
    minify: true,
    env: "disable",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return new Map(outputs.map((file) => [file.path.replace(/^\./, ""), file]));
}
