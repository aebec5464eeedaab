// A line of what was, newest at the right; its room is that of a minute from the start.

const points = 60;
const height = 24;

export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const most = Math.max(1, ...values);
  const from = points - values.length;
  const at = (value: number, index: number): string =>
    `${from + index + 1} ${(height - 1 - (value / most) * (height - 3)).toFixed(1)}`;
  const line = values.map(at).join("L");
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${points} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {values.length > 1 && (
        <>
          <path class="area" d={`M${from + 1} ${height}L${line}L${points} ${height}z`} />
          <path class="stroke" d={`M${line}`} vector-effect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}
