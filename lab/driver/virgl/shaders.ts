// Shaders in TGSI, gallium's assembly. A register has four components; CONST[] is what SET_CONSTANT_BUFFER gave.

/** Passes position and one attribute on as they are. */
export const passVertices = `VERT
DCL IN[0]
DCL IN[1]
DCL OUT[0], POSITION
DCL OUT[1], GENERIC[0]
  0: MOV OUT[0], IN[0]
  1: MOV OUT[1], IN[1]
  2: END
`;

/** The attribute is the colour. */
export const colouredFragments = `FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
  0: MOV OUT[0], IN[0]
  1: END
`;

/** The attribute is a place in the first sampler's texture. */
export const texturedFragments = `FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
DCL SAMP[0]
DCL SVIEW[0], 2D, FLOAT
  0: TEX OUT[0], IN[0], SAMP[0], 2D
  1: END
`;

/**
 * Position and normal of a solid. CONST[0..3]: columns of the model's matrix, which turns, moves and scales alike in
 * all directions; CONST[4..7]: columns of view and projection. Hands on place and normal in the world.
 */
export const solidVertices = `VERT
DCL IN[0]
DCL IN[1]
DCL OUT[0], POSITION
DCL OUT[1], GENERIC[0]
DCL OUT[2], GENERIC[1]
DCL CONST[0..7]
DCL TEMP[0..2]
  0: MUL TEMP[0], CONST[0], IN[0].xxxx
  1: MAD TEMP[0], CONST[1], IN[0].yyyy, TEMP[0]
  2: MAD TEMP[0], CONST[2], IN[0].zzzz, TEMP[0]
  3: ADD TEMP[0], TEMP[0], CONST[3]
  4: MUL TEMP[1], CONST[0], IN[1].xxxx
  5: MAD TEMP[1], CONST[1], IN[1].yyyy, TEMP[1]
  6: MAD TEMP[1], CONST[2], IN[1].zzzz, TEMP[1]
  7: MUL TEMP[2], CONST[4], TEMP[0].xxxx
  8: MAD TEMP[2], CONST[5], TEMP[0].yyyy, TEMP[2]
  9: MAD TEMP[2], CONST[6], TEMP[0].zzzz, TEMP[2]
 10: ADD OUT[0], TEMP[2], CONST[7]
 11: MOV OUT[1], TEMP[0]
 12: MOV OUT[2], TEMP[1]
 13: END
`;

/**
 * A directional light: ambient from above, diffuse, and a highlight. CONST[0]: colour, and how much it shines;
 * CONST[1]: the way to the light; CONST[2]: where the eye is.
 */
export const litFragments = `FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL IN[1], GENERIC[1], PERSPECTIVE
DCL OUT[0], COLOR
DCL CONST[0..2]
DCL TEMP[0..3]
IMM[0] FLT32 { 0.0, 1.0, 40.0, 0.0 }
IMM[1] FLT32 { 0.28, 0.12, 0.66, 0.0 }
  0: DP3 TEMP[0].w, IN[1], IN[1]
  1: RSQ TEMP[0].w, TEMP[0].wwww
  2: MUL TEMP[0].xyz, IN[1], TEMP[0].wwww
  3: DP3 TEMP[3].x, TEMP[0], CONST[1]
  4: MAX TEMP[3].x, TEMP[3].xxxx, IMM[0].xxxx
  5: MAD TEMP[3].y, TEMP[0].yyyy, IMM[1].yyyy, IMM[1].xxxx
  6: MAD TEMP[3].y, TEMP[3].xxxx, IMM[1].zzzz, TEMP[3].yyyy
  7: ADD TEMP[1].xyz, CONST[2], -IN[0]
  8: DP3 TEMP[1].w, TEMP[1], TEMP[1]
  9: RSQ TEMP[1].w, TEMP[1].wwww
 10: MAD TEMP[1].xyz, TEMP[1], TEMP[1].wwww, CONST[1]
 11: DP3 TEMP[1].w, TEMP[1], TEMP[1]
 12: RSQ TEMP[1].w, TEMP[1].wwww
 13: MUL TEMP[1].xyz, TEMP[1], TEMP[1].wwww
 14: DP3 TEMP[3].z, TEMP[0], TEMP[1]
 15: MAX TEMP[3].z, TEMP[3].zzzz, IMM[0].xxxx
 16: POW TEMP[3].z, TEMP[3].zzzz, IMM[0].zzzz
 17: MUL TEMP[3].z, TEMP[3].zzzz, CONST[0].wwww
 18: MAD TEMP[2].xyz, CONST[0], TEMP[3].yyyy, TEMP[3].zzzz
 19: MOV TEMP[2].w, IMM[0].yyyy
 20: MOV_SAT OUT[0], TEMP[2]
 21: END
`;

/**
 * A floor of faint squares that fades out from the middle. CONST[0]: colour of its light squares; CONST[1]: of its dark
 * squares; the alpha of both falls from 1 to 0 at CONST[0].w.
 */
export const floorFragments = `FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
DCL CONST[0..1]
DCL TEMP[0..1]
IMM[0] FLT32 { 0.0, 1.0, 0.5, 2.0 }
  0: FLR TEMP[0].xz, IN[0]
  1: ADD TEMP[0].x, TEMP[0].xxxx, TEMP[0].zzzz
  2: MUL TEMP[0].x, TEMP[0].xxxx, IMM[0].zzzz
  3: FRC TEMP[0].x, TEMP[0].xxxx
  4: MUL TEMP[0].x, TEMP[0].xxxx, IMM[0].wwww
  5: LRP TEMP[1].xyz, TEMP[0].xxxx, CONST[0], CONST[1]
  6: MUL TEMP[0].yz, IN[0].xxzz, IN[0].xxzz
  7: ADD TEMP[0].y, TEMP[0].yyyy, TEMP[0].zzzz
  8: SQRT TEMP[0].y, TEMP[0].yyyy
  9: RCP TEMP[0].z, CONST[0].wwww
 10: MUL TEMP[0].y, TEMP[0].yyyy, TEMP[0].zzzz
 11: ADD TEMP[0].y, IMM[0].yyyy, -TEMP[0].yyyy
 12: MOV_SAT TEMP[1].w, TEMP[0].yyyy
 13: MOV OUT[0], TEMP[1]
 14: END
`;

/** One colour, CONST[0], alpha included. */
export const flatFragments = `FRAG
DCL OUT[0], COLOR
DCL CONST[0]
  0: MOV OUT[0], CONST[0]
  1: END
`;
