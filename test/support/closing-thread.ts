// A thread that gives its table of the C library back, and calls something of it afterwards: closing-libc.test.ts.

import { closeLibc, libc } from "../../src/ffi/libc.ts";

const before = libc.gettid();
closeLibc();
let after = "";
try {
  libc.gettid();
} catch (error) {
  after = (error as Error).message;
}
postMessage({ before, after });
