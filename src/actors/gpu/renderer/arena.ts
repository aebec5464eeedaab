// The memory that commands and their answers lie in. Whoever runs commands maps it for themselves.

export interface Arena {
  /** Its owner's, and open for as long as that is. */
  readonly fd: number;
  readonly bytes: number;
}
