// A line of the demo that counts frames, on terminals only.

export function progressLine(): { frame: (frame: number) => void; end: () => void } {
  if (!process.stdout.isTTY) return { frame: () => undefined, end: () => undefined };
  let shown = 0;
  return {
    frame: (frame) => {
      const now = performance.now();
      if (now - shown < 100) return;
      shown = now;
      process.stdout.write(`\rdrawing    frame ${frame}`);
    },
    end: () => process.stdout.write("\r\x1b[K"),
  };
}
