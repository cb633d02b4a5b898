// Figures as people read them.

export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1_000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 100) return `${value.toFixed(0)} ms`;
  if (value >= 10) return `${value.toFixed(1)} ms`;
  if (value >= 0.01 || value === 0) return `${value.toFixed(2)} ms`;
  return `${(value * 1000).toFixed(1)} µs`;
}

export function rate(value) {
  if (value >= 100) return `${value.toFixed(0)}/s`;
  return value >= 10 ? `${value.toFixed(1)}/s` : `${value.toFixed(2)}/s`;
}

// 100 % only if none failed.
export function percent(share) {
  if (share === null || share === undefined) return "–";
  if (share === 1) return "100 %";
  return `${Math.min(share * 100, 99.99).toFixed(share > 0.99 ? 2 : 1)} %`;
}

export function health(success) {
  if (success === null || success === undefined) return "unknown";
  return success >= 0.99 ? "good" : success >= 0.9 ? "fair" : "bad";
}

export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit > 0 && value < 10 ? 1 : 0)} ${units[unit]}`;
}

export function count(value) {
  return value.toLocaleString("en");
}

export function plural(value, what) {
  return `${count(value)} ${what}${value === 1 ? "" : "s"}`;
}

// Today's times without the day.
export function time(sinceEpochMs) {
  const at = new Date(sinceEpochMs);
  const clock = `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  const day = at.toDateString() === new Date().toDateString();
  return day ? clock : `${at.toISOString().slice(0, 10)} ${clock}`;
}

export function ago(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}
