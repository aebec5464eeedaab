// The two wire forms, and which of them a peer speaks.

import { form2019 } from "./form-2019.ts";
import { jsonForm } from "./json-form.ts";
import type { WireForm } from "./protocol.ts";

/** A JSON document begins with a printable character, a packet of 2019 with a small number. */
export const wireFormOf = (packet: Uint8Array): WireForm => (packet[0]! < 0x20 ? form2019 : jsonForm);
