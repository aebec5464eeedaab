// A resource's picture: small beside its facts, or as large as there is room, with a pixel that can be chosen.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { ResourceLook } from "../resources/picture.ts";
import type { Row } from "../resources/table.ts";
import type { Place } from "../screen/pixel-story.ts";
import { PixelGlass } from "./pixel-glass.tsx";

/** Opens the full view. */
export function Thumbnail({ picture, open }: { picture: ResourceLook | null; open(): void }) {
  if (picture === null) return <p class="thumbnail dim">…</p>;
  if (picture.image === null) return <p class="thumbnail dim">{`No picture: ${picture.error}.`}</p>;
  return (
    <button type="button" class="plain thumbnail" title="Look closer (v)" onClick={open}>
      <Painted image={picture.image} label="Thumbnail" />
    </button>
  );
}

interface FullViewProps {
  id: number;
  row: Row | undefined;
  picture: ResourceLook | null;
  place: Place | null;
  choose(place: Place): void;
  close(): void;
}

export function FullView({ id, row, picture, place, choose, close }: FullViewProps) {
  const image = picture?.image ?? null;
  return (
    <figure class="scanout" aria-label={`Resource ${id}`}>
      <figcaption>
        <b>{`Resource ${id}`}</b>
        {row !== undefined && <span>{`${row.width}×${row.height} ${row.format}`}</span>}
        {row !== undefined && <span class="dim">{row.holders && `context ${row.holders}`}</span>}
        <span class="space" />
        <button type="button" class="plain" title="The table (v)" onClick={close}>
          ✕
        </button>
      </figcaption>
      {picture !== null && image === null && <p class="note">{`No picture: ${picture.error}.`}</p>}
      {image !== null && (
        <PixelGlass size={image} isExact={false} {...{ place, choose }} label={`resource ${id}`}>
          <Painted image={image} label={`Resource ${id}`} />
        </PixelGlass>
      )}
    </figure>
  );
}

function Painted({ image, label }: { image: ImageBitmap; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const { current } = canvas;
    [current!.width, current!.height] = [image.width, image.height];
    current!.getContext("2d", { alpha: false })!.drawImage(image, 0, 0);
  }, [image]);
  return <canvas ref={canvas} class="pixels" role="img" aria-label={label} />;
}
