// The page's entry.

import { render } from "preact";
import { Shell } from "./shell.tsx";
import { followReplay } from "./replay.ts";
import { connect } from "./store.ts";

render(<Shell />, document.getElementById("page")!);
connect();
void followReplay();
