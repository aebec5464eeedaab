// What `ctl --help` says.

import { manifestOf, workerNames } from "../actors/registry.ts";

export const restartable = workerNames.filter((name) => manifestOf[name].survives !== false);
export const limitMax = 10_000;
export const limitDefault = 200;

export const helpText = (call: string): string => `Talks to a running Fencepost over its control socket.

Usage: ${call} [--control-path PATH] COMMAND

Commands:
  status                    the state of the device, its actors, scanouts, recording and counters, as JSON
  screenshot [-n N] FILE    write what scanout N shows (default 0) to a PNG file, without the cursor
  snapshot FILE             write what the guest has to a file, from which --restore of a server goes on; it lacks what
                            3D contexts have
  inspector                 the inspector's URL with its token, to open in a browser
  trace start FILE          write what the device does from now on to a file for Perfetto (docs/inspector.md)
  trace stop                end that file
  record start FILE         record what the guest does from now on, and what it shows: the file is yours alone
  record stop               end the recording
  list                      all running servers of this user, and where their metrics are
  log-level LEVEL           log from this level on: debug, info, warning or error
  outputs                   the guest's outputs: mode, place, and what it shows there
  outputs set MODE…         what they are from now on, each WxH or off; those that are not named go off
  outputs set N=MODE…       of these alone: WxH, off, or on with the last mode, as in 1=1920x1080,0=off
  kill ACTOR                make an actor crash, to see it come back; with --isolation thread the device ends with
                            its ctrl-queue:
                            ${restartable.join(", ")}
  shutdown                  end the server in order

Of a server with --inspect or --dev, as tables, in which "!" marks what deserves a look:
  actors                    each one's state, messages a second and waiting, restarts, last crash
  resources                 what the guest has made, its memory, leaks and oversized ones
  contexts                  the guest's contexts: the programs that draw
  fences                    commands that wait for the renderer now, oldest first; stuck ones
  log [FILTER…]             commands that the guest has sent, those that FILTER holds for, such as:
                            ctx:3 res:7 type:transfer queue:ctrl slow:>1ms errors fenced
  break FILTER…             pause the ctrl queue before the next command that FILTER holds for, or behind the
                            one that earned an error, or while a fence is older: errors, slow:>1ms, fence-age:>1s;
                            show it with what it will touch, and hold it until it goes on, or Ctrl-C
  break                     where it is paused, and who has a break
  step [N]                  let one command run, or N, and show the next
  continue                  let it go on

Flags:
  --control-path PATH       the server's control socket (default: that of a server with default settings)
  -n, --scanout N           which scanout, 0 to 15
  --json                    of tables, log and breaks: JSON, one record a line (docs/inspector.md)
  -f, --follow              of log: commands as they come, until Ctrl-C or the server's end
  --limit N                 of log: how many of the last, 1 to ${limitMax} (default ${limitDefault})
  -h, --help                this text

Exit codes: 0 done, 1 the server refused or is not there, 2 a mistake in the command line. A followed log that was ended,
by whatever, is done.`;
