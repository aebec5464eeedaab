// The page's entry.

import { render } from "preact";
import { Shell } from "./shell.tsx";
import { connect } from "./store.ts";

render(<Shell />, document.getElementById("page")!);
connect();
