// Silences: nobody is told of anomalies of some series for a while.

import { get, path, send } from './api.js';
import { moment } from './format.js';
import { bdi, button, fill, h, icon, popover, segmented, toast } from './ui.js';

const HOUR = 3_600_000;
const LENGTHS = [
  [1, '1 h'],
  [4, '4 h'],
  [24, '1 day'],
  [168, '1 week'],
];

/** Asks for how long `series` (ids) shall be silent, and makes a silence for each. `done` hears of it. */
export function silence(anchor, series, done = () => {}) {
  const name = series.length === 1 ? series[0] : `${series.length} series`;
  let hours = 4;
  popover(anchor, `Silence ${name}`, (close) => {
    const reason = h('input.input', {
      id: 'reason',
      placeholder: 'Planned maintenance',
      maxlength: '200',
      autocomplete: 'off',
    });
    const fault = h('p.hint.t-high', { role: 'alert' });
    return h(
      'form',
      {
        onsubmit: async (e) => {
          e.preventDefault();
          const ends = new Date(Date.now() + hours * HOUR);
          try {
            const made = await Promise.all(
              series.map((id) =>
                send('POST', '/v1/silences', {
                  matchers: [{ name: 'series', op: '=', value: id }],
                  ends_at: ends.toISOString(),
                  ...(reason.value.trim() && { comment: reason.value.trim() }),
                }),
              ),
            );
            close();
            toast(
              `${name} is silenced until ${moment(Math.floor(ends.getTime() / 60_000) * 60_000)}.`,
              async () => {
                await Promise.all(
                  made.map(({ silence_id: id }) => send('DELETE', path`/v1/silences/${id}`)),
                );
                done();
              },
            );
            done();
          } catch (error) {
            fault.textContent = error.message;
          }
        },
      },
      h(
        'div',
        h('h2', 'Silence ', bdi(name)),
        h('p.hint', 'Points are still judged and incidents still listed. Nobody is told.'),
      ),
      h(
        'div.field',
        h('span.label', 'For'),
        segmented(
          'For',
          LENGTHS.map(([n, text]) => [String(n), text]),
          '4',
          (n) => {
            hours = Number(n);
          },
        ),
      ),
      h('div.field', h('label', { for: 'reason' }, 'Reason (optional)'), reason),
      fault,
      h(
        'div.actions',
        button('Cancel', { kind: 'ghost', onclick: close }),
        h('button.button.primary', { type: 'submit' }, 'Silence'),
      ),
    );
  });
}

/** Whether `silence` holds now. */
export const holds = ({ starts_at: starts, ends_at: ends }) =>
  (!starts || Date.parse(starts) <= Date.now()) && (!ends || Date.parse(ends) > Date.now());

const reads = { '=': 'is', '!=': 'is not', '=~': 'matches', '!~': 'does not match' };

/** Shows all silences, and ends them. */
export async function silences(anchor, done) {
  const { silences: all } = await get('/v1/silences');
  popover(anchor, 'Silences', (close) => {
    const list = h('ul.silences');
    const draw = (rows) =>
      fill(
        list,
        rows.length === 0
          ? h('li', 'There is no silence.')
          : rows.map((one) =>
              h(
                'li',
                h(
                  'div',
                  h(
                    'p',
                    one.matchers.map(({ name, op, value }, i) => [
                      i > 0 && ', ',
                      `${name} ${reads[op] ?? op} `,
                      bdi(value),
                    ]),
                  ),
                  h(
                    'p.hint',
                    one.ends_at
                      ? `${holds(one) ? 'Until' : 'Ended'} ${moment(Date.parse(one.ends_at))}`
                      : 'At certain times',
                    one.comment && [' · ', bdi(one.comment)],
                  ),
                ),
                button('End', {
                  small: true,
                  onclick: async () => {
                    await send('DELETE', path`/v1/silences/${one.silence_id}`);
                    draw(rows.filter((other) => other !== one));
                    done();
                  },
                }),
              ),
            ),
      );
    draw(all);
    return [h('h2', 'Silences'), list, h('div.actions', button('Close', { onclick: close }))];
  });
}

/** The button that opens them. */
export const silencesButton = (count, done) =>
  h(
    'button.button',
    { type: 'button', onclick: (e) => silences(e.currentTarget, done) },
    icon('mute'),
    'Silences',
    h('span.hint', String(count)),
  );
