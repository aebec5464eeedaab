// A thread of the probed server: tries what nobody may there.

import { tryAll } from "./attempts.ts";

declare const self: Worker;

self.onmessage = ({ data }) => {
  self.postMessage(tryAll(data as string));
};
