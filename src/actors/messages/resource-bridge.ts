// What the resource bridge receives: nothing yet, as no path can be given to it.

import { z } from "zod";

export const ResourceBridgeMessage = z.never();
export type ResourceBridgeMessage = z.infer<typeof ResourceBridgeMessage>;
