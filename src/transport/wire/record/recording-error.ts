// What is wrong with a file that should be a recording.

import { Refusal } from "../../os/errors.ts";

/** A file is no recording, or a part of it is damaged; the message says where. */
export class RecordingError extends Refusal {
  override name = "RecordingError";
}
