// The settings of a judgement: the slider, the side, the smallest difference, the detector.

import { count, duration, plural } from './format.js';
import { button, h, segmented, select } from './ui.js';

/** The rates of the slider's ten steps, as "1 in so many". */
export const STEPS = [100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100];
/** Where the slider stands while the detector keeps its own level. */
const OWN = 5;
/** Points under which a share of them is too few to learn from: then three are learned from. */
const FEW = 20;

/** The body of the request for `file` with its options. */
export function body({ points, options }) {
  return {
    form: 'columns',
    timestamps: points.timestamps,
    values: points.values,
    ...(points.values.length < FEW && { train: 3 }),
    ...(options.step !== undefined && { false_alarm_rate: 1 / STEPS[options.step] }),
    ...(options.direction && { direction: options.direction }),
    ...(options.least > 0 && { min_deviation: options.least }),
    ...(options.detector && options.detector !== 'auto' && { detector: options.detector }),
  };
}

/** The card of settings of `file`, and the hint under its slider. `change` judges again. */
export function settings(file, change) {
  const { options } = file;
  const value = h('strong');
  const hint = h('p.hint');
  const reset = button('Reset', {
    kind: 'ghost',
    small: true,
    onclick: () => {
      delete options.step;
      show();
      change();
    },
  });
  const slider = h('input', {
    type: 'range',
    min: '0',
    max: '9',
    step: '1',
    id: 'rate',
    value: String(options.step ?? OWN),
    oninput: () => {
      options.step = Number(slider.value);
      show();
      change();
    },
  });
  function show() {
    const step = options.step ?? OWN;
    slider.value = String(step);
    slider.style.setProperty('--filled', `${(step / 9) * 100}%`);
    value.textContent =
      options.step === undefined
        ? 'The detector\u2019s own level'
        : `1 in ${count(STEPS[step])} normal points`;
    slider.setAttribute('aria-valuetext', value.textContent);
    reset.hidden = options.step === undefined;
  }
  show();
  const least = h('input.input', {
    id: 'least',
    inputmode: 'decimal',
    placeholder: '0',
    value: options.least ?? '',
    oninput: () => {
      const n = Number(least.value.replace(',', '.'));
      const ok = Number.isFinite(n) && n >= 0;
      least.setAttribute('aria-invalid', String(!ok));
      if (ok) {
        options.least = n;
        change();
      }
    },
  });
  const detectors = ['auto', 'sigma', 'robust', 'seasonal', 'ewma'];
  const controls = h(
    'section.card.controls',
    { 'aria-label': 'Settings' },
    h(
      'div.field',
      h(
        'div.between',
        h('label', { for: 'rate' }, 'Alarms on normal points'),
        h('span', value, reset),
      ),
      slider,
      hint,
    ),
    h(
      'div.field',
      h('span.label', 'Which side'),
      segmented(
        'Which side',
        [
          ['both', 'Both'],
          ['above', 'Too high'],
          ['below', 'Too low'],
        ],
        options.direction ?? 'both',
        (side) => {
          options.direction = side;
          change();
        },
      ),
    ),
    h('div.field', h('label', { for: 'least' }, 'Ignore differences under'), least),
    h(
      'div.field',
      h('span.label', 'Detector'),
      select(
        'Detector',
        detectors.map((d) => [d, d]),
        options.detector ?? 'auto',
        (name) => {
          options.detector = name;
          change();
        },
      ),
    ),
  );
  return { controls, hint };
}

/** How many false alarms a rate makes of normal points. */
export function about({ options, data }, reply) {
  if (options.step === undefined) return 'Left for fewer alarms, right for more.';
  const judgedPoints = data.x.length - reply.train;
  const alarms = judgedPoints / STEPS[options.step];
  const round =
    alarms < 1 ? 'Less than one false alarm' : `About ${plural(Math.round(alarms), 'false alarm')}`;
  const length = data.x.at(-1) - data.x[0];
  const each = data.unit ? `: one every ${duration(length / alarms)}` : '';
  return `${round} in this file${each}.`;
}
