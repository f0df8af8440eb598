// Three series to try, made here from a fixed seed: the same for everybody, nothing is shipped.

/** Numbers from 0 to 1 that repeat with `seed` (mulberry32). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const START = 1_772_323_200; // 1 March 2026
const DAY = 86_400;

function series(seed, days, step, value) {
  const next = random(seed);
  const noise = () => next() + next() + next() - 1.5;
  const timestamps = [];
  const values = [];
  for (let t = 0; t < days * DAY; t += step) {
    timestamps.push(START + t);
    values.push(Number(value(t / DAY, noise).toFixed(2)));
  }
  return { timestamps, values };
}

const wave = (day, peak) => Math.cos((day - peak) * 2 * Math.PI);

/** Name, unit, file name and points of each. */
export const EXAMPLES = [
  {
    name: 'Daily traffic, one outage',
    text: 'requests a minute, two weeks',
    file: 'daily_traffic.csv',
    make: () =>
      series(7, 14, 600, (day, noise) => {
        const normal =
          620 + 330 * wave(day, 0.58) - (Math.floor(day) % 7 > 4 ? 130 : 0) + 28 * noise();
        return Math.max(0, day > 11.42 && day < 11.5 ? 40 + 12 * noise() : normal);
      }),
  },
  {
    name: 'CPU, a stuck process',
    text: 'per cent, nine days',
    file: 'cpu.csv',
    make: () =>
      series(21, 9, 300, (day, noise) => {
        const busy = 24 + 9 * wave(day, 0.6) + 2.6 * noise();
        return Math.min(
          100,
          day > 7.15 ? busy + 38 : Math.abs(day - 4.3) < 0.012 ? busy + 30 : busy,
        );
      }),
  },
  {
    name: 'Temperature, a failing sensor',
    text: 'degrees, three months',
    file: 'temperature.csv',
    make: () =>
      series(4, 90, 3600, (day, noise) => {
        const normal = 18 + 5 * Math.sin((day / 90) * 3.1) + 4 * wave(day, 0.62) + 0.7 * noise();
        return day > 71 && day < 71.4
          ? normal - 14
          : day > 80
            ? normal - 3 + 3.5 * noise()
            : normal;
      }),
  },
];

/** Points as a file. */
export const csv = ({ timestamps, values }) =>
  `timestamp,value\n${timestamps.map((t, i) => `${t},${values[i]}`).join('\n')}\n`;
