// What is around every view: the views' names, the connection's state, keys.

import { useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { isPausedHere } from "./breaks.ts";
import { focusFilter, useKeys } from "./keys.ts";
import { connection, dropped, openView, subscribeTo, viewId } from "./store.ts";
import { switchTheme, theme } from "./theme-switch.ts";
import { replay } from "./replay.ts";
import { views } from "./views.ts";
import { KeyList } from "./widgets/key-list.tsx";
import { ReplayBar } from "./widgets/replay-bar.tsx";
import { TraceButton } from "./widgets/trace-button.tsx";
import { count } from "./words.ts";

export function Shell() {
  const view = views.find(({ id }) => id === viewId.value) ?? views[0]!;
  const showsKeys = useSignal(false);
  // Before the effects of the view, which may ask for more.
  useLayoutEffect(() => {
    document.title = `${view.title} · Fencepost`;
    subscribeTo(view.topics);
  }, [view]);
  useKeys((key) => {
    const chosen = /^[1-9]$/.test(key) ? views[Number(key) - 1] : undefined;
    if (chosen !== undefined) openView(chosen.id);
    else if (key === "?") showsKeys.value = !showsKeys.value;
    else if (key === "/") return focusFilter();
    else if (key === "t") switchTheme();
    else if (key === "Escape" && showsKeys.value) showsKeys.value = false;
    else return false;
    return true;
  });
  return (
    <>
      <header class="bar">
        <span class="brand">
          <Logo />
          Fencepost
        </span>
        <nav aria-label="Views">
          {views.map(({ id, title }, index) => (
            <a key={id} href={`#${id}`} aria-current={id === view.id ? "page" : undefined} onKeyDown={walk}>
              <kbd>{index + 1}</kbd>
              {title}
            </a>
          ))}
        </nav>
        <span class="space" />
        <Paused />
        <Losses />
        <ConnectionState />
        <TraceButton />
        <ThemeButton />
        <button type="button" class="plain" title="Keys (?)" onClick={() => (showsKeys.value = true)}>
          ?
        </button>
      </header>
      <ReplayBar />
      <main class={`view view-${view.id}`}>
        <view.Component />
      </main>
      {showsKeys.value && <KeyList view={view} close={() => (showsKeys.value = false)} />}
    </>
  );
}

/** That this page keeps the guest waiting, whatever view is open. */
const Paused = () =>
  isPausedHere.value ? (
    <a class="tag warn" href="#break" title="The guest waits: to the break">
      paused
    </a>
  ) : null;

const ThemeButton = () => (
  <button type="button" class="plain" title="Dark or light (t)" onClick={switchTheme}>
    {theme.value}
  </button>
);

/** Arrow keys go from one name to the next. */
function walk(event: KeyboardEvent): void {
  const from = event.currentTarget as HTMLElement;
  const to =
    event.key === "ArrowRight"
      ? from.nextElementSibling
      : event.key === "ArrowLeft"
        ? from.previousElementSibling
        : null;
  if (!(to instanceof HTMLElement)) return;
  to.focus();
  event.preventDefault();
}

const connectionWords = {
  connecting: "connecting",
  open: "live",
  lost: "no server: trying again",
  refused: "another server: open the URL that it has logged",
} as const;

const ConnectionState = () => (
  <span class={`connection ${connection.value}`} role="status">
    {connection.value === "open" && replay.value !== null ? "recording" : connectionWords[connection.value]}
  </span>
);

/** What this page has not seen, when there is such a thing. */
function Losses() {
  const { batches, records } = dropped.value;
  if (batches === 0 && records === 0) return null;
  const title =
    "The guest never waits for a page: what one is too slow for, or the taps have no room for, is dropped";
  return (
    <span class="losses" title={title}>
      {records > 0 && `${count(records)} records dropped`}
      {records > 0 && batches > 0 && ", "}
      {batches > 0 && `${count(batches)} batches missed`}
    </span>
  );
}

const Logo = () => (
  <svg class="logo" viewBox="0 0 16 16" aria-hidden="true">
    <path d="M2 15V4l1.5-2L5 4v11M6.5 15V4L8 2l1.5 2v11M11 15V4l1.5-2L14 4v11M0 6.5h16M0 11h16" />
  </svg>
);
