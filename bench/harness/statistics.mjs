// Figures of many samples.

/** The value below which the part `share` of the samples lies. */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function median(samples) {
  return quantile(samples, 0.5);
}
