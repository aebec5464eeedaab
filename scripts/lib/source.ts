// A TypeScript file as text with its comments and strings told apart from code, and what it imports and exports. Enough
// to check rules of the house and to draw imports; it is no parser.

import { dirname, join, normalize } from "node:path";

export interface Import {
  /** The file by its path from the root, or a package's name. */
  readonly from: string;
  /** Names as the other file exports them; "*" for all of them. */
  readonly names: readonly string[];
  /** What the other file is called here where all of it is imported. */
  readonly namespace: string | null;
  readonly typeOnly: boolean;
  /** Whether the names go on to whoever imports this file. */
  readonly again: boolean;
  /** Where the file is only named, as a worker's entry is, rather than imported. */
  readonly kind: "import" | "address";
  readonly line: number;
}

export interface Source {
  /** From the root. */
  readonly path: string;
  readonly text: string;
  /** The text with spaces for comments and for what strings hold, so that every place is where it was. */
  readonly code: string;
  readonly comments: readonly { readonly start: number; readonly text: string }[];
  readonly imports: readonly Import[];
  /** Names that are declared and exported here. */
  readonly exports: readonly { readonly name: string; readonly line: number; readonly isType: boolean }[];
}

export function readSource(path: string, text: string): Source {
  const scanner = new Scanner(text, path.endsWith(".tsx"));
  const code = scanner.scan();
  return {
    path,
    text,
    code,
    comments: scanner.comments,
    imports: importsOf(path, text, code),
    exports: exportsOf(code),
  };
}

export function lineAt(text: string, place: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < place; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** The place behind the bracket that closes the one at `open`. */
export function closing(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if ("([{".includes(code[at]!)) depth++;
    else if (")]}".includes(code[at]!) && --depth === 0) return at + 1;
  }
  return code.length;
}

/** A slash after one of these starts a regular expression, and divides after anything else. */
const beforePattern = /(?:^|[(,=:[!&|?{};>+*%<~^-]|\b(?:return|typeof|case|in|of|await))\s*$/;

/** Goes through a text once, and blanks what is no code. */
class Scanner {
  readonly comments: { start: number; text: string }[] = [];
  private readonly kept: string[];
  /** Depth of braces in each template that is open around `at`. */
  private readonly templates: number[] = [];
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly hasMarkup: boolean,
  ) {
    this.kept = text.split("");
  }

  scan(): string {
    while (this.at < this.text.length) this.step();
    return this.kept.join("");
  }

  private step(): void {
    const char = this.text[this.at]!;
    if (char === '"' || char === "'") this.string(char);
    else if (char === "`") {
      this.at++;
      this.template();
    } else if (char === "/") this.slash();
    else if (this.templates.length > 0 && (char === "{" || char === "}")) this.brace(char);
    else this.at++;
  }

  private blank(start: number, end: number): void {
    for (let at = start; at < end; at++) if (this.text[at] !== "\n") this.kept[at] = " ";
  }

  private string(quote: string): void {
    const start = ++this.at;
    while (this.at < this.text.length && this.text[this.at] !== quote)
      this.at += this.text[this.at] === "\\" ? 2 : 1;
    this.blank(start, this.at++);
  }

  /** From behind a template's start, or behind an expression in it, to its end or the next expression. */
  private template(): void {
    const { text } = this;
    const start = this.at;
    while (this.at < text.length && text[this.at] !== "`" && !text.startsWith("${", this.at))
      this.at += text[this.at] === "\\" ? 2 : 1;
    this.blank(start, this.at);
    if (text[this.at] === "`") this.at++;
    else {
      this.templates.push(0);
      this.at += 2;
    }
  }

  private brace(char: string): void {
    this.at++;
    const last = this.templates.length - 1;
    if (char === "{") this.templates[last]!++;
    else if (this.templates[last]!-- === 0) {
      this.templates.pop();
      this.template();
    }
  }

  private slash(): void {
    const next = this.text[this.at + 1];
    if (this.hasMarkup && (this.text[this.at - 1] === "<" || next === ">")) this.at++;
    else if (next === "/" || next === "*") this.comment(next === "/" ? "\n" : "*/");
    else if (beforePattern.test(this.kept.slice(Math.max(0, this.at - 40), this.at).join(""))) this.pattern();
    else this.at++;
  }

  private comment(end: string): void {
    const start = this.at;
    const stop = this.text.indexOf(end, start + 2);
    this.at = stop < 0 ? this.text.length : end === "\n" ? stop : stop + 2;
    this.comments.push({ start, text: this.text.slice(start, this.at) });
    this.blank(start, this.at);
  }

  private pattern(): void {
    const { text } = this;
    const start = ++this.at;
    for (let inSet = false; this.at < text.length && (inSet || text[this.at] !== "/"); this.at++) {
      if (text[this.at] === "\\") this.at++;
      else if (text[this.at] === "[") inSet = true;
      else if (text[this.at] === "]") inSet = false;
    }
    this.blank(start, this.at++);
  }
}

const statement = /^(import|export)\s+(type\s)?([^;"'()=]*?)(?:\bfrom\s*)?"( *)"/gm;
const dynamic = /\b(import|new URL)\(\s*"( *)"/g;

function importsOf(path: string, text: string, code: string): Import[] {
  const found: Import[] = [];
  const resolve = (specifier: string): string =>
    specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : specifier;
  for (const match of code.matchAll(statement)) {
    const [whole, keyword, type, clause, blanks] = match;
    const end = match.index + whole.length - 1;
    const listed = (/\{([\s\S]*)\}/.exec(clause!)?.[1] ?? "").split(",").flatMap((part) => part.trim() || []);
    const namespace = /\*\s*as\s+(\w+)/.exec(clause!)?.[1] ?? null;
    const everything = namespace !== null || clause!.includes("*");
    found.push({
      from: resolve(text.slice(end - blanks!.length, end)),
      names: everything ? ["*"] : listed.map((part) => part.replace(/^type\s+/, "").split(/\s+as\s+/)[0]!),
      namespace,
      typeOnly: type !== undefined || (listed.length > 0 && listed.every((part) => part.startsWith("type "))),
      again: keyword === "export",
      kind: "import",
      line: lineAt(code, match.index),
    });
  }
  for (const match of code.matchAll(dynamic)) {
    const end = match.index + match[0].length - 1;
    const from = resolve(text.slice(end - match[2]!.length, end));
    const line = lineAt(code, match.index);
    const kind = match[1] === "import" ? "import" : "address";
    found.push({ from, names: ["*"], namespace: null, typeOnly: false, again: false, kind, line });
  }
  return found;
}

const declaration =
  /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\*?|class|interface|type|enum|const|let)\s+(\w+)/gm;
const listedExports = /^export\s+(?:type\s+)?\{([^}]*)\}\s*;/gm;

function exportsOf(code: string): Source["exports"] {
  const found = Array.from(code.matchAll(declaration), ({ index, 1: kind, 2: name }) => ({
    name: name!,
    line: lineAt(code, index),
    isType: kind === "interface" || kind === "type",
  }));
  for (const { index, 1: names } of code.matchAll(listedExports))
    for (const part of names!.split(",")) {
      const name = part
        .trim()
        .replace(/^type\s+/, "")
        .split(/\s+as\s+/)
        .at(-1)!;
      if (name !== "") found.push({ name, line: lineAt(code, index), isType: false });
    }
  return found;
}
