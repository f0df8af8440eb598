// What can be done with a series: in a terminal, and from its menu.

import { curl, path, send } from './api.js';
import { count, perSecond, unitOf } from './format.js';
import { labelsForm } from './series-side.js';
import { button, card, code, confirmIn, h, popover, toast } from './ui.js';

/** The card with commands that list what was found, and send a point. */
export function terminal(view) {
  const show = view.stream ? curl(view.path('/anomalies')) : curl(view.path('/models'));
  const unit = view.last === null ? 's' : unitOf(view.last);
  const now =
    unit === 's'
      ? '$(date +%s)'
      : unit === 'ms'
        ? '$(date +%s000)'
        : unit === null
          ? String((view.last ?? 0) + 1)
          : `$(date +%s)${'0'.repeat(Math.log10(perSecond(unit)))}`;
  const value = view.reply?.value.at(-1) ?? 22.5;
  return card(
    'The same from a terminal',
    null,
    h(
      'div.pad.stack8',
      code(show, 'command that lists'),
      code(
        `${curl(path`/observe/${view.id}`)} -d "{\\"timestamp\\":${now},\\"value\\":${value}}"`,
        'command that sends a point',
      ),
    ),
  );
}

/** What else can be done with a series. */
export function menu(anchor, view) {
  popover(anchor, `More for ${view.id}`, (close) => {
    const then = (act) => () => {
      close();
      act();
    };
    return h(
      'div.menu',
      view.models?.again && button('Fit again', { onclick: then(() => fitAgain(anchor, view)) }),
      view.stream &&
        button('Rename labels', {
          onclick: then(() => labelsForm(anchor, view.id, view.stream, () => view.refound())),
        }),
      button('Delete', { onclick: then(() => remove(anchor, view)) }),
    );
  });
}

function remove(anchor, view) {
  const what = [
    view.models?.models.length && `${count(view.models.models.length)} models`,
    view.stream && 'its stream',
    'its points and anomalies',
  ]
    .filter(Boolean)
    .join(', ');
  confirmIn(
    anchor,
    {
      title: `Delete ${view.id}`,
      text: `This removes ${what}. It cannot be undone.`,
      action: 'Delete',
    },
    async () => {
      try {
        await send('DELETE', view.path());
        toast(`${view.id} is deleted.`);
        location.hash = '#/';
      } catch (error) {
        toast(error.message);
      }
    },
  );
}

/** Asks, and fits a new version on the points that are kept. */
export function fitAgain(anchor, view) {
  const points = view.reply;
  confirmIn(
    anchor,
    {
      title: 'Fit again',
      text: `Fits a new version on the ${count(points.timestamp.length)} points that are kept.`,
      action: 'Fit',
      danger: false,
    },
    async () => {
      try {
        const fitted = await send('POST', path`/fit/${view.id}`, {
          timestamps: points.timestamp,
          values: points.value,
        });
        toast(`${fitted.version} is fitted on ${count(fitted.points_used)} points.`);
        dispatchEvent(new Event('zone'));
      } catch (error) {
        toast(error.message);
      }
    },
  );
}
