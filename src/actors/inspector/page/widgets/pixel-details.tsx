// One pixel of a scanout or a resource: its colour, which commands brought it there, and the frames that showed it.

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { CommandRecord } from "../../feed.ts";
import { orNull } from "../command-history.ts";
import { contextText, summary } from "../command-text.ts";
import type { PixelStory } from "../screen/pixel-story.ts";
import { moment } from "../replay.ts";
import { wallMs } from "../store.ts";
import { duration } from "../words.ts";
import { RecordedMaker } from "./recorded-command.tsx";

const againMs = 1000;

interface PixelDetailsProps {
  title: string;
  /** As "#rrggbb", or "" where there is none; asked again with each story, since pictures change. */
  colour(): string;
  /** Asked again where `of` is another. */
  of: string;
  story(): Promise<PixelStory | null>;
  close(): void;
}

export function PixelDetails({ title, colour: look, of, story: ask, close }: PixelDetailsProps) {
  const story = useStory(of, ask).value;
  const colour = look();
  return (
    <aside class="side" aria-label="Pixel">
      <header>
        <h2>{title}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      <p class="mono">
        <i class="colour" style={{ background: colour || "none" }} /> {colour || "beyond the picture"}
      </p>
      {story !== null && <Story story={story} />}
    </aside>
  );
}

function Story({ story }: { story: PixelStory }) {
  const { resource, x, y, isViewKnown, writer, flush, recorded, contexts } = story;
  return (
    <>
      <dl class="facts">
        <dt>resource</dt>
        <dd>
          <a href={`#resources?res=${resource.id}`}>{`${resource.id}`}</a> {`at ${x}, ${y}`}
        </dd>
        {contexts.map(({ id, name }) => (
          <>
            <dt key={id}>{`context ${id}`}</dt>
            <dd>{name}</dd>
          </>
        ))}
      </dl>
      {!isViewKnown && (
        <p class="note">Which part of the resource is shown is not remembered: as if it began at 0, 0.</p>
      )}
      {recorded === null ? (
        <>
          <Made title="Written last by" command={writer} />
          <Made title="Shown last by" command={flush} />
        </>
      ) : (
        <>
          <RecordedMaker title="Written last by" command={recorded.writer} />
          <RecordedMaker title="Shown last by" command={recorded.flush} />
        </>
      )}
      <Drawn story={story} />
      <p>
        <a href={logLink(`res:${resource.id} at:${x},${y}`)}>All that touched it in the log</a>
      </p>
    </>
  );
}

function Made({ title, command }: { title: string; command: CommandRecord | null }) {
  if (command === null)
    return (
      <>
        <h2>{title}</h2>
        <p class="dim">nothing that is remembered</p>
      </>
    );
  const { id, type, completedNs, parkedNs } = command;
  const context = contextText(command);
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <p>
        {type}{" "}
        <a class="mono" href={logLink(`id:${id}`)}>
          {id}
        </a>
        <br />
        {context !== "" && (
          <>
            {`of context ${context}`}
            <br />
          </>
        )}
        <span class="mono dim">{summary(command)}</span>
        <br />
        <span class="dim">{`${agoOf(completedNs || parkedNs)} ago`}</span>
      </p>
    </section>
  );
}

/** The frames in which sinks drew it first. */
function Drawn({ story: { frames, flush, drawn } }: { story: PixelStory }) {
  if (flush === null) return null;
  return (
    <section aria-label="Drawn by">
      <h2>Drawn by</h2>
      {drawn === null && <p class="dim">no frame that is remembered</p>}
      {drawn !== null && drawn.id !== flush.id && (
        <p class="dim">{`That flush is yet to be drawn; of ${drawn.id} before it:`}</p>
      )}
      {frames.map(({ begun, shown }) => (
        <p key={`${begun.sink} ${begun.scanout}`}>
          {`${begun.sink} on scanout ${begun.scanout}, `}
          <a href={`#timeline?${new URLSearchParams({ command: drawn!.id })}`}>a frame</a>
          {` of ${begun.width}×${begun.height} at ${begun.x}, ${begun.y}`}
          <br />
          <span class="dim">
            {`begun ${duration(Math.max(0, begun.ns - drawn!.takenNs))} after the flush was taken, `}
            {shown === undefined ? "not there yet" : `there ${duration(shown.ns - begun.ns)} later`}
          </span>
        </p>
      ))}
    </section>
  );
}

const agoOf = (ns: number): string => duration(1e6 * Math.max(0, Date.now() - wallMs(ns)));

/** Asked for again and again, since what is shown goes on: each time a while after the last answer, and at once where a replay has gone on. */
function useStory(of: string, ask: PixelDetailsProps["story"]): ReadonlySignal<PixelStory | null> {
  const story = useSignal<PixelStory | null>(null);
  const asked = useRef("");
  useEffect(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout>;
    if (asked.current !== of) story.value = null;
    asked.current = of;
    const look = async (): Promise<void> => {
      const found = await orNull(ask());
      if (isGone) return;
      story.value = found;
      timer = setTimeout(() => void look(), againMs);
    };
    void look();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [of, moment.value]);
  return story;
}

const logLink = (filter: string): string => `#commands?${new URLSearchParams({ filter })}`;
