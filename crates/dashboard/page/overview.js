// The rows of the list.

import { get, Problem } from './api.js';

/** A page of rows; from the list of series where the platform has no overview. */
export async function overview(query, options) {
  try {
    return await get('/v1/overview', query, options);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    const { series, next } = await get('/v1/series', { limit: query.limit, after: query.after, prefix: query.q }, options);
    const rows = series.map((one) => ({ series_id: one.series_id, labels: {}, state: one.stream === 'learning' ? 'learning' : one.stream === 'silent' ? 'silent' : 'normal', severity: null, value: null, expected: null, serving: one.serving }));
    return { rows, next, counts: { open: 0, recent: 0, quiet: rows.length + (next ? 1 : 0), alarms_24h: NaN, points_per_minute: NaN } };
  }
}
