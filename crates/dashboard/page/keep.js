// What becomes of a file: the command that judges it, and the series that it is kept as.

import { path, quoted, send, urlOption } from './api.js';
import { bytes, plural } from './format.js';
import { STEPS } from './settings.js';
import { button, card, code, h, popover, toast } from './ui.js';

/** The card with the command that finds the same. */
export function sameFromTerminal(file) {
  const { options, points, choice } = file;
  const column = (role) => points.columns[points[role]]?.name;
  const command =
    [
      'anomaly detect',
      quoted(file.fileName),
      ...['time', 'value'].map(
        (role) => choice?.[role] !== undefined && `--${role}-column ${quoted(column(role))}`,
      ),
      options.step !== undefined && `--false-alarm-rate ${1 / STEPS[options.step]}`,
      options.direction && options.direction !== 'both' && `--direction ${options.direction}`,
      options.least > 0 && `--min-deviation ${options.least}`,
      options.detector && options.detector !== 'auto' && `--detector ${options.detector}`,
      '--plot judged.png',
    ]
      .filter(Boolean)
      .join(' ') + urlOption();
  const save =
    file.example &&
    h(
      'p',
      'This file was made in your browser. ',
      button(`Save ${file.fileName} (${bytes(file.text.length)})`, {
        kind: 'link',
        onclick: () => download(file.fileName, file.text),
      }),
    );
  return card('The same from a terminal', null, h('div.pad', code(command), save));
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Asks for a name, and fits a model on all points under it. */
export function keep(anchor, file) {
  const { points, options } = file;
  popover(anchor, 'Keep as a series', (close) => {
    const name = h('input.input', {
      id: 'keep',
      value: file.name.replaceAll(/[/\p{Cc}]/gu, '_'),
      required: true,
      maxlength: '200',
      autocomplete: 'off',
      autofocus: true,
    });
    const fault = h('p.hint.t-high', { role: 'alert' });
    const submit = h('button.button.primary', { type: 'submit' }, 'Keep it');
    return h(
      'form',
      {
        onsubmit: async (e) => {
          e.preventDefault();
          submit.disabled = true;
          try {
            const { step, direction, detector } = options;
            const fitted = await send('POST', path`/fit/${name.value.trim()}`, {
              timestamps: points.timestamps,
              values: points.values,
              ...(step !== undefined && { false_alarm_rate: 1 / STEPS[step] }),
              ...(direction && { direction }),
              ...(detector && detector !== 'auto' && { detector }),
            });
            close();
            toast(
              `${fitted.series_id} ${fitted.version} is fitted on ${plural(fitted.points_used, 'point')}.`,
            );
            location.hash = path`#/series/${fitted.series_id}`;
          } catch (error) {
            fault.textContent = error.message;
            submit.disabled = false;
          }
        },
      },
      h('h2', 'Keep as a series'),
      h(
        'p.hint',
        `Fits a model on all ${plural(points.values.length, 'point')} and adds the series to the overview.`,
      ),
      h('div.field', h('label', { for: 'keep' }, 'Name'), name),
      fault,
      h('div.actions', button('Cancel', { kind: 'ghost', onclick: close }), submit),
    );
  });
}
