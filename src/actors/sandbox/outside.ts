// What a server is told to write where its sandbox does not let it.

import { Refusal } from "../../transport/os/errors.ts";

export class OutsideSandbox extends Refusal {}
