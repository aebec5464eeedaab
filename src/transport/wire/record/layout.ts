// How a recording lies in its file: a head, chunks, and at its end an index and a tail. All numbers are little-endian.

/** The head: these letters, then the version in the last two of its bytes. */
export const fileMagic = "FENCEPOST-REC\0";
export const fileHeadBytes = 16;
export const version = 2;

/** A chunk's head, by offset. Numbers are u32 where nothing else is said. */
export const ChunkHead = {
  magic: 0,
  /** A {@link ChunkKind}. */
  kind: 4,
  /** Bytes that follow the head, and what they are once unpacked. */
  storedBytes: 8,
  plainBytes: 12,
  /** crc32 of the bytes that follow. */
  checksum: 16,
  entries: 20,
  /** Entries among these that are commands, and frames. */
  commands: 24,
  frames: 28,
  /** Doubles: the number of the first entry, and its time. */
  firstNumber: 32,
  firstTime: 40,
  /** A {@link Encoding}. */
  encoding: 48,
  /** Chunks are counted from 0. */
  number: 52,
  reserved: 56,
  /** crc32 of all of the head before. */
  headChecksum: 60,
  bytes: 64,
} as const;
export const chunkMagic = 0x6b_43_50_46;

export const ChunkKind = {
  stream: 0,
  /** Begins with a keyframe's entry. */
  keyframe: 1,
  /** Goes on with the keyframe before it. */
  keyframeRest: 2,
  index: 3,
} as const;

/** Plain, or one frame of zstd. */
export const Encoding = { plain: 0, zstd: 1 } as const;

/** The last bytes of a recording that was ended in order: where its index lies, a double; letters; crc32 of both. */
export const Tail = { indexAt: 0, magic: 8, checksum: 12, bytes: 16 } as const;
export const tailMagic = 0x78_49_50_46;

/** Of one chunk, unpacked: the longest command, and room for what stands beside it. A reader takes a few times as much. */
export const plainBytesMax = 80 * 1024 * 1024;
export const entriesMax = 16_384;
/** Of one recording. */
export const chunksMax = 1_048_576;
