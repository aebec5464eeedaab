// One pixel of a scanout: its colour, and which commands brought it there.

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CommandRecord } from "../../feed.ts";
import { orNull } from "../command-history.ts";
import { summary } from "../command-text.ts";
import { type Pixel, type PixelStory, storyOf } from "../screen/pixel-story.ts";
import { wallMs } from "../store.ts";
import { duration } from "../words.ts";

const againMs = 1000;

interface PixelDetailsProps {
  pixel: Pixel;
  /** As "#rrggbb", or "" where there is none. */
  colour(pixel: Pixel): string;
  close(): void;
}

export function PixelDetails({ pixel, colour, close }: PixelDetailsProps) {
  const { scanout, x, y } = pixel;
  const story = useStory(pixel).value;
  const own = colour(pixel);
  return (
    <aside class="side" aria-label="Pixel">
      <header>
        <h2>{`Pixel ${x}, ${y} of scanout ${scanout}`}</h2>
        <button type="button" class="plain" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </header>
      <p class="mono">
        <i class="colour" style={{ background: own || "none" }} /> {own || "beyond the picture"}
      </p>
      {story !== null && <Story story={story} />}
    </aside>
  );
}

function Story({ story }: { story: PixelStory }) {
  const { resource, x, y, isViewKnown, transfer, flush, contexts } = story;
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
      <Made title="Written last by" command={transfer} />
      {transfer === null && contexts.length > 0 && (
        <p class="dim">A stream of its contexts may have drawn it: SUBMIT_3D names no resource.</p>
      )}
      <Made title="Shown last by" command={flush} />
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
  const { id, type, completedNs } = command;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <p>
        {type}{" "}
        <a class="mono" href={logLink(`id:${id}`)}>
          {id}
        </a>
        <br />
        <span class="mono dim">{summary(command)}</span>
        <br />
        <span class="dim">{`${duration(1e6 * Math.max(0, Date.now() - wallMs(completedNs)))} ago`}</span>
      </p>
    </section>
  );
}

/** Asked for again and again, since what is shown goes on. */
function useStory(pixel: Pixel): ReadonlySignal<PixelStory | null> {
  const story = useSignal<PixelStory | null>(null);
  useEffect(() => {
    let isGone = false;
    story.value = null;
    const look = async (): Promise<void> => {
      const found = await orNull(storyOf(pixel));
      if (!isGone) story.value = found;
    };
    void look();
    const timer = setInterval(() => void look(), againMs);
    return () => {
      isGone = true;
      clearInterval(timer);
    };
  }, [pixel.scanout, pixel.x, pixel.y]);
  return story;
}

const logLink = (filter: string): string => `#commands?${new URLSearchParams({ filter })}`;
